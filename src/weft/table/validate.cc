#include "weft/table/validate.h"

#include <arrow/extension_type.h>
#include <arrow/type_traits.h>
#include <arrow/util/bit_util.h>
#include <arrow/util/bitmap_ops.h>
#include <arrow/util/checked_cast.h>

#include <limits>
#include <string>

#include "weft/table/runs.h"

namespace weft::table {
namespace {

using arrow::ArrayData;
using arrow::Status;
using arrow::Type;
using arrow::internal::checked_cast;

const arrow::DataType& StorageType(const arrow::DataType& type) {
  const arrow::DataType* storage = &type;
  while (storage->id() == Type::EXTENSION) {
    storage = checked_cast<const arrow::ExtensionType&>(*storage).storage_type().get();
  }
  return *storage;
}

int64_t BufferSize(const ArrayData& array, size_t i) {
  return array.buffers[i] == nullptr ? 0 : array.buffers[i]->size();
}

/// Bits or bytes from row 0 of the buffers to the end of the array; lengths are bounded so that it does not overflow.
int64_t End(const ArrayData& array) { return array.offset + array.length; }

Status CheckBuffer(const ArrayData& array, size_t i, int64_t units, int64_t unit_bits) {
  int64_t bits = 0;
  if (__builtin_mul_overflow(units, unit_bits, &bits) || arrow::bit_util::BytesForBits(bits) > BufferSize(array, i)) {
    return Status::Invalid("buffer ", i, " of type ", array.type->ToString(), " has ", BufferSize(array, i),
                           " bytes, too few for ", units, " values");
  }
  return Status::OK();
}

Status CheckBuffers(const ArrayData& array, size_t buffers, size_t children) {
  if (array.buffers.size() != buffers || array.child_data.size() != children) {
    return Status::Invalid(array.buffers.size(), " buffers and ", array.child_data.size(), " children for type ",
                           array.type->ToString());
  }
  for (const auto& child : array.child_data) {
    if (child == nullptr) return Status::Invalid("a child of type ", array.type->ToString(), " is missing");
  }
  return Status::OK();
}

Status CheckNulls(const ArrayData& array) {
  int64_t nulls = 0;
  if (array.buffers[0] != nullptr) {
    ARROW_RETURN_NOT_OK(CheckBuffer(array, 0, End(array), 1));
    if (array.length > 0) {
      nulls = array.length - arrow::internal::CountSetBits(array.buffers[0]->data(), array.offset, array.length);
    }
  }
  const int64_t claimed = array.null_count.load();
  if (claimed != arrow::kUnknownNullCount && claimed != nulls) {
    return Status::Invalid(claimed, " nulls are claimed and ", nulls, " are there");
  }
  return Status::OK();
}

/// Offsets begin at 0 or above, never fall, and end within `limit`.
template <typename Offset>
Status CheckOffsets(const ArrayData& array, int64_t limit) {
  if (array.length == 0 && BufferSize(array, 1) == 0) return Status::OK();
  ARROW_RETURN_NOT_OK(CheckBuffer(array, 1, End(array) + 1, static_cast<int64_t>(sizeof(Offset)) * 8));
  const Offset* offsets = array.GetValues<Offset>(1);
  // One pass without branches; it is run for every string that is received.
  bool falls = false;
  for (int64_t i = 0; i < array.length; ++i) falls |= offsets[i + 1] < offsets[i];
  if (falls || offsets[0] < 0 || static_cast<int64_t>(offsets[array.length]) > limit) {
    return Status::Invalid("offsets of type ", array.type->ToString(), " fall or leave their ", limit, " values");
  }
  return Status::OK();
}

Status CheckChild(const ArrayData& array, size_t i, int64_t least, bool with_dictionary) {
  const ArrayData& child = *array.child_data[i];
  ARROW_RETURN_NOT_OK(ValidateArrayData(child, with_dictionary));
  if (child.length < least) {
    return Status::Invalid("child ", i, " of type ", array.type->ToString(), " has ", child.length,
                           " rows, too few for ", least);
  }
  return Status::OK();
}

template <typename Offset>
Status CheckList(const ArrayData& array, bool with_dictionary) {
  ARROW_RETURN_NOT_OK(CheckBuffers(array, 2, 1));
  ARROW_RETURN_NOT_OK(CheckChild(array, 0, 0, with_dictionary));
  return CheckOffsets<Offset>(array, array.child_data[0]->length);
}

/// Arrow's MapArray takes neither null entries nor null keys.
Status CheckMapEntries(const ArrayData& array) {
  const ArrayData& entries = *array.child_data[0];
  if (entries.child_data.size() != 2 || entries.GetNullCount() != 0 || entries.child_data[0]->GetNullCount() != 0) {
    return Status::Invalid("a map has null entries or null keys");
  }
  return Status::OK();
}

template <typename Index>
Status CheckIndices(const ArrayData& array) {
  const Index* indices = array.GetValues<Index>(1);
  const uint8_t* validity = array.buffers[0] == nullptr ? nullptr : array.buffers[0]->data();
  const auto values = static_cast<uint64_t>(array.dictionary->length);
  bool outside = false;
  for (int64_t i = 0; i < array.length; ++i) {
    // A negative index becomes a large one.
    const bool bad = static_cast<uint64_t>(static_cast<int64_t>(indices[i])) >= values;
    outside |= bad && (validity == nullptr || arrow::bit_util::GetBit(validity, array.offset + i));
  }
  if (outside) return Status::Invalid("an index is outside its dictionary of ", values, " values");
  return Status::OK();
}

Status CheckDictionary(const ArrayData& array, bool with_dictionary) {
  ARROW_RETURN_NOT_OK(CheckBuffers(array, 2, 0));
  if (array.dictionary == nullptr) return Status::Invalid("a dictionary is missing");
  const auto& type = checked_cast<const arrow::DictionaryType&>(StorageType(*array.type));
  if (with_dictionary) ARROW_RETURN_NOT_OK(ValidateArrayData(*array.dictionary, true));
  const int bits = checked_cast<const arrow::FixedWidthType&>(*type.index_type()).bit_width();
  ARROW_RETURN_NOT_OK(CheckBuffer(array, 1, End(array), bits));
  if (array.length == 0) return Status::OK();
  switch (type.index_type()->id()) {
    case Type::INT8:
      return CheckIndices<int8_t>(array);
    case Type::UINT8:
      return CheckIndices<uint8_t>(array);
    case Type::INT16:
      return CheckIndices<int16_t>(array);
    case Type::UINT16:
      return CheckIndices<uint16_t>(array);
    case Type::INT32:
      return CheckIndices<int32_t>(array);
    case Type::UINT32:
      return CheckIndices<uint32_t>(array);
    case Type::INT64:
      return CheckIndices<int64_t>(array);
    case Type::UINT64:
      return CheckIndices<uint64_t>(array);
    default:
      return Status::Invalid("dictionary indices of type ", type.index_type()->ToString());
  }
}

Status CheckFixedSizeList(const ArrayData& array, const arrow::DataType& type, bool with_dictionary) {
  ARROW_RETURN_NOT_OK(CheckBuffers(array, 1, 1));
  const int64_t width = checked_cast<const arrow::FixedSizeListType&>(type).list_size();
  int64_t least = 0;
  if (width < 0 || __builtin_mul_overflow(End(array), width, &least)) {
    return Status::Invalid("a fixed-size list of ", width, " values");
  }
  return CheckChild(array, 0, least, with_dictionary);
}

/// Ends that rise from above 0 to the array's own, each with a value.
template <typename End>
Status CheckRunEnds(const ArrayData& array) {
  const ArrayData& ends = *array.child_data[0];
  const End* values = ends.GetValues<End>(1);
  const int64_t last = array.offset + array.length;
  bool falls = ends.length > 0 && values[0] <= 0;
  for (int64_t i = 1; i < ends.length; ++i) falls |= values[i] <= values[i - 1];
  if (falls || (last > 0 && (ends.length == 0 || static_cast<int64_t>(values[ends.length - 1]) < last))) {
    return Status::Invalid("run ends do not rise to their ", last, " rows");
  }
  return Status::OK();
}

Status CheckRuns(const ArrayData& array, const arrow::DataType& type, bool with_dictionary) {
  ARROW_RETURN_NOT_OK(CheckBuffers(array, 1, 2));
  if (array.buffers[0] != nullptr) return Status::Invalid("runs have no bits of their own");
  ARROW_RETURN_NOT_OK(CheckChild(array, 0, 0, with_dictionary));
  const ArrayData& ends = *array.child_data[0];
  if (ends.GetNullCount() != 0) return Status::Invalid("a run's end is missing");
  ARROW_RETURN_NOT_OK(CheckChild(array, 1, ends.length, with_dictionary));
  switch (checked_cast<const arrow::RunEndEncodedType&>(type).run_end_type()->id()) {
    case Type::INT16:
      return CheckRunEnds<int16_t>(array);
    case Type::INT32:
      return CheckRunEnds<int32_t>(array);
    default:
      return CheckRunEnds<int64_t>(array);
  }
}

}  // namespace

Status ValidateArrayData(const ArrayData& array, bool with_dictionary) {
  const arrow::DataType& type = StorageType(*array.type);
  // 2^56 rows are more than memory holds, and leave room for sums and products with a width.
  constexpr int64_t kMostRows = int64_t{1} << 56;
  if (array.length < 0 || array.offset < 0 || array.length > kMostRows || array.offset > kMostRows) {
    return Status::Invalid("length ", array.length, " and offset ", array.offset, " of an array");
  }
  if (array.buffers.empty()) return Status::Invalid("an array has no buffers");
  if (type.id() == Type::NA) {
    const int64_t claimed = array.null_count.load();
    if (claimed == array.length || claimed == arrow::kUnknownNullCount) return Status::OK();
    return Status::Invalid(claimed, " nulls in an array of ", array.length, " nulls");
  }
  ARROW_RETURN_NOT_OK(CheckNulls(array));
  switch (type.id()) {
    case Type::STRING:
    case Type::BINARY:
      ARROW_RETURN_NOT_OK(CheckBuffers(array, 3, 0));
      return CheckOffsets<int32_t>(array, BufferSize(array, 2));
    case Type::LARGE_STRING:
    case Type::LARGE_BINARY:
      ARROW_RETURN_NOT_OK(CheckBuffers(array, 3, 0));
      return CheckOffsets<int64_t>(array, BufferSize(array, 2));
    case Type::LIST:
      return CheckList<int32_t>(array, with_dictionary);
    case Type::LARGE_LIST:
      return CheckList<int64_t>(array, with_dictionary);
    case Type::MAP:
      ARROW_RETURN_NOT_OK(CheckList<int32_t>(array, with_dictionary));
      return CheckMapEntries(array);
    case Type::FIXED_SIZE_LIST:
      return CheckFixedSizeList(array, type, with_dictionary);
    case Type::STRUCT:
      ARROW_RETURN_NOT_OK(CheckBuffers(array, 1, static_cast<size_t>(type.num_fields())));
      for (size_t i = 0; i < array.child_data.size(); ++i) {
        ARROW_RETURN_NOT_OK(CheckChild(array, i, End(array), with_dictionary));
      }
      return Status::OK();
    case Type::DICTIONARY:
      return CheckDictionary(array, with_dictionary);
    case Type::RUN_END_ENCODED:
      return CheckRuns(array, type, with_dictionary);
    default:
      if (!arrow::is_fixed_width(type.id())) {
        return Status::Invalid("an array of type ", type.ToString(), " cannot be received");
      }
      ARROW_RETURN_NOT_OK(CheckBuffers(array, 2, 0));
      return CheckBuffer(array, 1, End(array), checked_cast<const arrow::FixedWidthType&>(type).bit_width());
  }
}

namespace {

bool HoldsDictionary(const arrow::DataType& type) {
  const arrow::DataType& storage = StorageType(type);
  if (storage.id() == Type::DICTIONARY) return true;
  for (const auto& field : storage.fields()) {
    if (HoldsDictionary(*field->type())) return true;
  }
  return false;
}

/// All but runs, which columns alone may have.
Status CheckInnerType(const arrow::DataType& type, const std::string& path) {
  const arrow::DataType& storage = StorageType(type);
  switch (storage.id()) {
    case Type::DICTIONARY: {
      const auto& values = *checked_cast<const arrow::DictionaryType&>(storage).value_type();
      if (HoldsDictionary(values)) break;
      return CheckInnerType(values, path);
    }
    case Type::LIST:
    case Type::LARGE_LIST:
    case Type::FIXED_SIZE_LIST:
    case Type::MAP:
    case Type::STRUCT:
      for (const auto& field : storage.fields()) {
        ARROW_RETURN_NOT_OK(CheckInnerType(*field->type(), path + "." + field->name()));
      }
      return Status::OK();
    case Type::NA:
    case Type::STRING:
    case Type::LARGE_STRING:
    case Type::BINARY:
    case Type::LARGE_BINARY:
      return Status::OK();
    default:
      if (arrow::is_fixed_width(storage.id())) return Status::OK();
  }
  return Status::TypeError("column '", path, "' of type ", type.ToString(),
                           " cannot be sent between ranks; cast it to a plain type first");
}

}  // namespace

Status CheckWireType(const arrow::DataType& type, const std::string& path) {
  return HasRuns(type) ? Status::OK() : CheckInnerType(type, path);
}

}  // namespace weft::table
