#include "weft/io/text_write.h"

#include <arrow/compute/cast.h>
#include <arrow/record_batch.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "weft/io/cells.h"

namespace weft::io {
namespace {

using arrow::Result;
using arrow::Status;
using arrow::Type;
using ArrayPtr = std::shared_ptr<arrow::Array>;

constexpr int64_t kBatchRows = 16 << 10;

const arrow::DataType& ValueType(const arrow::DataType& type) {
  return type.id() == Type::DICTIONARY ? *static_cast<const arrow::DictionaryType&>(type).value_type() : type;
}

Result<ArrayPtr> Decoded(const ArrayPtr& array, const Context& context) {
  if (array->type_id() != Type::DICTIONARY) return array;
  arrow::compute::ExecContext execution(context.pool);
  return arrow::compute::Cast(*array, static_cast<const arrow::DictionaryType&>(*array->type()).value_type(),
                              arrow::compute::CastOptions::Safe(), &execution);
}

std::string_view TextOf(const arrow::Array& array, int64_t row) {
  switch (array.type_id()) {
    case Type::LARGE_STRING:
    case Type::LARGE_BINARY:
      return static_cast<const arrow::LargeBinaryArray&>(array).GetView(row);
    case Type::FIXED_SIZE_BINARY:
      return static_cast<const arrow::FixedSizeBinaryArray&>(array).GetView(row);
    default:
      return static_cast<const arrow::BinaryArray&>(array).GetView(row);
  }
}

/// Writes `append(batch columns, row, text)` of all rows.
template <typename Prepare, typename Append>
Status WriteRows(const arrow::Table& table, const Context& context, arrow::io::OutputStream* sink,
                 const Prepare& prepare, const Append& append) {
  arrow::TableBatchReader reader(table);
  reader.set_chunksize(kBatchRows);
  std::string text;
  for (;;) {
    ARROW_RETURN_NOT_OK(context.stop.Poll());
    std::shared_ptr<arrow::RecordBatch> batch;
    ARROW_RETURN_NOT_OK(reader.ReadNext(&batch));
    if (batch == nullptr) break;
    arrow::ArrayVector columns = batch->columns();
    for (auto& column : columns) {
      ARROW_ASSIGN_OR_RAISE(column, Decoded(column, context));
    }
    ARROW_ASSIGN_OR_RAISE(const auto prepared, prepare(columns));
    text.clear();
    for (int64_t row = 0; row < batch->num_rows(); ++row) {
      append(prepared, row, &text);
      if (text.size() > (1 << 20)) {
        ARROW_RETURN_NOT_OK(sink->Write(text));
        text.clear();
      }
    }
    ARROW_RETURN_NOT_OK(sink->Write(text));
  }
  return Status::OK();
}

/// A CSV field at the end of `out`, from `begin` on, quoted where it must be.
class CsvQuoter {
 public:
  explicit CsvQuoter(const WriteOptions& options)
      : special_(std::string("\r\n") + options.delimiter + options.quote), options_(options) {}

  void Field(std::string_view text, bool number, std::string* out) const {
    const bool quoted = options_.quoting == CsvQuoting::kAll ||
                        (options_.quoting == CsvQuoting::kNotNumbers && !number) ||
                        text.find_first_of(special_) != std::string_view::npos;
    if (!quoted) {
      *out += text;
      return;
    }
    *out += options_.quote;
    for (const char c : text) {
      if (c == options_.quote) *out += c;
      *out += c;
    }
    *out += options_.quote;
  }

 private:
  const std::string special_;
  const WriteOptions& options_;
};

struct CsvColumn {
  ArrayPtr array;
  std::unique_ptr<CellText> text;
  bool number = false;
};

void AppendEscaped(std::string_view text, bool ascii, std::string* out) {
  constexpr char kHex[] = "0123456789abcdef";
  const auto unit = [&](uint32_t code) {
    *out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) *out += kHex[(code >> shift) & 15];
  };
  *out += '"';
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '"' || c == '\\') {
      *out += '\\';
      *out += text[i];
    } else if (c == '\n') {
      *out += "\\n";
    } else if (c == '\r') {
      *out += "\\r";
    } else if (c == '\t') {
      *out += "\\t";
    } else if (c < 0x20) {
      unit(c);
    } else if (c < 0x80 || !ascii) {
      *out += text[i];
    } else {
      const int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
      uint32_t code = c & (0x3fU >> more);
      for (int k = 0; k < more && i + 1 < text.size(); ++k) {
        code = (code << 6) | (static_cast<unsigned char>(text[++i]) & 0x3fU);
      }
      if (code < 0x10000) {
        unit(code);
      } else {
        unit(0xd800 + ((code - 0x10000) >> 10));
        unit(0xdc00 + ((code - 0x10000) & 0x3ff));
      }
    }
  }
  *out += '"';
}

/// A column's values, and those within them.
class JsonColumn {
 public:
  static Result<std::unique_ptr<JsonColumn>> Make(const ArrayPtr& given, bool ascii, const Context& context) {
    auto made = std::make_unique<JsonColumn>();
    made->ascii_ = ascii;
    ARROW_ASSIGN_OR_RAISE(made->array_, Decoded(given, context));
    const auto add = [&](const ArrayPtr& child) -> Status {
      ARROW_ASSIGN_OR_RAISE(made->children_.emplace_back(), Make(child, ascii, context));
      return Status::OK();
    };
    const arrow::Array& array = *made->array_;
    CellStyle style;
    style.separator = 'T';
    switch (array.type_id()) {
      case Type::NA:
      case Type::STRING:
      case Type::LARGE_STRING:
        break;
      case Type::LIST:
        ARROW_RETURN_NOT_OK(add(static_cast<const arrow::ListArray&>(array).values()));
        break;
      case Type::LARGE_LIST:
        ARROW_RETURN_NOT_OK(add(static_cast<const arrow::LargeListArray&>(array).values()));
        break;
      case Type::FIXED_SIZE_LIST:
        ARROW_RETURN_NOT_OK(add(static_cast<const arrow::FixedSizeListArray&>(array).values()));
        break;
      case Type::MAP:
        ARROW_RETURN_NOT_OK(add(static_cast<const arrow::MapArray&>(array).keys()));
        ARROW_RETURN_NOT_OK(add(static_cast<const arrow::MapArray&>(array).items()));
        break;
      case Type::STRUCT:
        for (int i = 0; i < array.num_fields(); ++i) {
          // field() is cut as the struct is.
          ARROW_RETURN_NOT_OK(add(static_cast<const arrow::StructArray&>(array).field(i)));
        }
        break;
      default: {
        ARROW_ASSIGN_OR_RAISE(made->text_, CellText::Make(array, style));
        const auto id = array.type_id();
        made->quoted_ = arrow::is_date(id) || arrow::is_time(id) || id == Type::TIMESTAMP;
      }
    }
    return made;
  }

  void Append(int64_t row, std::string* out) const {
    if (IsMissing(*array_, row) || array_->type_id() == Type::NA) {
      *out += "null";
      return;
    }
    switch (array_->type_id()) {
      case Type::STRING:
      case Type::LARGE_STRING:
        AppendEscaped(TextOf(*array_, row), ascii_, out);
        return;
      case Type::LIST:
        return AppendList(static_cast<const arrow::ListArray&>(*array_), row, out);
      case Type::LARGE_LIST:
        return AppendList(static_cast<const arrow::LargeListArray&>(*array_), row, out);
      case Type::FIXED_SIZE_LIST:
        return AppendList(static_cast<const arrow::FixedSizeListArray&>(*array_), row, out);
      case Type::MAP: {
        const auto& map = static_cast<const arrow::MapArray&>(*array_);
        *out += '{';
        for (int64_t i = map.value_offset(row); i < map.value_offset(row + 1); ++i) {
          if (i > map.value_offset(row)) *out += ',';
          children_[0]->Append(i, out);
          *out += ':';
          children_[1]->Append(i, out);
        }
        *out += '}';
        return;
      }
      case Type::STRUCT:
        *out += '{';
        for (size_t i = 0; i < children_.size(); ++i) {
          if (i > 0) *out += ',';
          AppendEscaped(array_->type()->field(static_cast<int>(i))->name(), ascii_, out);
          *out += ':';
          children_[i]->Append(row, out);
        }
        *out += '}';
        return;
      default:
        break;
    }
    const size_t begin = out->size();
    if (quoted_) *out += '"';
    text_->Append(row, out);
    if (quoted_) *out += '"';
    // JSON has no infinity.
    if (out->ends_with("inf")) {
      out->resize(begin);
      *out += "null";
    }
  }

 private:
  template <typename List>
  void AppendList(const List& list, int64_t row, std::string* out) const {
    *out += '[';
    for (int64_t i = 0; i < list.value_length(row); ++i) {
      if (i > 0) *out += ',';
      children_[0]->Append(list.value_offset(row) + i, out);
    }
    *out += ']';
  }

  ArrayPtr array_;
  std::unique_ptr<CellText> text_;
  std::vector<std::unique_ptr<JsonColumn>> children_;
  bool ascii_ = true;
  bool quoted_ = false;
};

}  // namespace

Status WriteCsvText(const arrow::Table& table, const WriteOptions& options, const Context& context,
                    arrow::io::OutputStream* sink) {
  const CsvQuoter quoter(options);
  if (options.header) {
    std::string text;
    const auto names = options.header_names.empty() ? table.schema()->field_names() : options.header_names;
    for (size_t i = 0; i < names.size(); ++i) {
      if (i > 0) text += options.delimiter;
      quoter.Field(names[i], false, &text);
    }
    if (text.empty()) text = std::string(2, options.quote);
    ARROW_RETURN_NOT_OK(sink->Write(text + "\n"));
  }
  CellStyle style;
  style.true_text = "True";
  style.false_text = "False";
  style.float_format = options.float_format;
  const auto prepare = [&](const arrow::ArrayVector& arrays) -> Result<std::vector<CsvColumn>> {
    std::vector<CsvColumn> columns;
    for (const ArrayPtr& array : arrays) {
      CsvColumn& column = columns.emplace_back();
      column.array = array;
      column.number = arrow::is_numeric(array->type_id()) || arrow::is_decimal(array->type_id());
      if (!HasCellText(*array->type())) continue;
      ARROW_ASSIGN_OR_RAISE(column.text, CellText::Make(*array, style));
    }
    return columns;
  };
  std::string field;
  const auto append = [&](const std::vector<CsvColumn>& columns, int64_t row, std::string* out) {
    const size_t begin = out->size();
    for (size_t i = 0; i < columns.size(); ++i) {
      if (i > 0) *out += options.delimiter;
      const CsvColumn& column = columns[i];
      if (column.array->type_id() == Type::NA || IsMissing(*column.array, row)) {
        quoter.Field(options.null_text, false, out);
      } else if (column.text == nullptr) {
        quoter.Field(TextOf(*column.array, row), false, out);
      } else {
        field.clear();
        column.text->Append(row, &field);
        quoter.Field(field, column.number, out);
      }
    }
    if (out->size() == begin) out->append(2, options.quote);
    *out += '\n';
  };
  return WriteRows(table, context, sink, prepare, append);
}

Status WriteJsonText(const arrow::Table& table, const WriteOptions& options, const Context& context,
                     arrow::io::OutputStream* sink) {
  using Columns = std::vector<std::unique_ptr<JsonColumn>>;
  std::vector<std::string> leads;
  for (const std::string& name : table.schema()->field_names()) {
    std::string& lead = leads.emplace_back(leads.empty() ? "{" : ",");
    AppendEscaped(name, options.ascii, &lead);
    lead += ':';
  }
  const auto prepare = [&](const arrow::ArrayVector& arrays) -> Result<Columns> {
    Columns columns;
    for (const ArrayPtr& array : arrays) {
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), JsonColumn::Make(array, options.ascii, context));
    }
    return columns;
  };
  const auto append = [&](const Columns& columns, int64_t row, std::string* out) {
    if (columns.empty()) *out += '{';
    for (size_t i = 0; i < columns.size(); ++i) {
      *out += leads[i];
      columns[i]->Append(row, out);
    }
    *out += "}\n";
  };
  return WriteRows(table, context, sink, prepare, append);
}

bool CsvCanHold(const arrow::DataType& type) {
  const auto& value = ValueType(type);
  return value.id() == Type::NA || HasCellText(value) || arrow::is_base_binary_like(value.id()) ||
         value.id() == Type::FIXED_SIZE_BINARY;
}

bool JsonCanHold(const arrow::DataType& type) {
  const auto& value = ValueType(type);
  if (value.id() == Type::MAP) {
    const auto& map = static_cast<const arrow::MapType&>(value);
    return arrow::is_string(ValueType(*map.key_type()).id()) && JsonCanHold(*map.item_type());
  }
  if (arrow::is_list_like(value.id()) || value.id() == Type::STRUCT) {
    for (const auto& field : value.fields()) {
      if (!JsonCanHold(*field->type())) return false;
    }
    return value.id() == Type::LIST || value.id() == Type::LARGE_LIST || value.id() == Type::FIXED_SIZE_LIST ||
           value.id() == Type::STRUCT;
  }
  return value.id() == Type::NA || HasCellText(value) || arrow::is_string(value.id());
}

}  // namespace weft::io
