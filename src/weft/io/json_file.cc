#include "weft/io/json_file.h"

#include <arrow/array/util.h>
#include <arrow/filesystem/filesystem.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/json/api.h>

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include "weft/base/byte_codec.h"
#include "weft/io/location.h"

namespace weft::io {
namespace {

using arrow::Result;
using arrow::Status;
using arrow::Type;
using SchemaPtr = std::shared_ptr<arrow::Schema>;
using TablePtr = std::shared_ptr<arrow::Table>;
using TypePtr = std::shared_ptr<arrow::DataType>;

constexpr std::string_view kOperation = "read_json";
constexpr int32_t kBlockBytes = 4 << 20;
constexpr int32_t kMaxBlockBytes = 1 << 30;
constexpr int64_t kPieceBytes = 1 << 16;

/// The type with text instead of the timestamps that Arrow makes of texts that look so.
TypePtr WithoutTimes(const TypePtr& type) {
  switch (type->id()) {
    case Type::TIMESTAMP:
      return arrow::utf8();
    case Type::LIST:
      return arrow::list(WithoutTimes(static_cast<const arrow::ListType&>(*type).value_type()));
    case Type::STRUCT: {
      arrow::FieldVector fields = type->fields();
      for (auto& field : fields) field = field->WithType(WithoutTimes(field->type()));
      return arrow::struct_(std::move(fields));
    }
    default:
      return type;
  }
}

/// nullptr where there is none.
TypePtr Unify(const TypePtr& left, const TypePtr& right);

arrow::FieldVector UnifyFields(const arrow::FieldVector& left, const arrow::FieldVector& right, std::string* bad) {
  arrow::FieldVector fields = left;
  for (const auto& field : right) {
    const auto own =
        std::find_if(fields.begin(), fields.end(), [&](const auto& f) { return f->name() == field->name(); });
    if (own == fields.end()) {
      fields.push_back(field);
      continue;
    }
    const TypePtr type = Unify((*own)->type(), field->type());
    if (type == nullptr) {
      *bad = field->name();
      return {};
    }
    *own = (*own)->WithType(type);
  }
  return fields;
}

TypePtr Unify(const TypePtr& left, const TypePtr& right) {
  if (left->Equals(*right) || right->id() == Type::NA) return left;
  if (left->id() == Type::NA) return right;
  const auto number = [](const arrow::DataType& type) { return type.id() == Type::INT64 || type.id() == Type::DOUBLE; };
  if (number(*left) && number(*right)) return arrow::float64();
  if (left->id() == Type::LIST && right->id() == Type::LIST) {
    const TypePtr values = Unify(static_cast<const arrow::ListType&>(*left).value_type(),
                                 static_cast<const arrow::ListType&>(*right).value_type());
    return values == nullptr ? nullptr : arrow::list(values);
  }
  if (left->id() == Type::STRUCT && right->id() == Type::STRUCT) {
    std::string bad;
    auto fields = UnifyFields(left->fields(), right->fields(), &bad);
    return bad.empty() ? arrow::struct_(std::move(fields)) : nullptr;
  }
  return nullptr;
}

Result<bool> HasText(arrow::io::InputStream& text) {
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(const auto some, text.Read(1 << 10));
    if (some->size() == 0) return false;
    if (std::string_view(*some).find_first_not_of(" \t\r\n") != std::string_view::npos) return true;
  }
}

Result<TablePtr> ReadOnce(const CsvPiece& piece, const std::string& compression, const SchemaPtr& types, bool all_known,
                          int32_t block, bool use_threads, const Context& context) {
  const auto open = [&] { return OpenUnpacked(piece.path, compression, piece.begin, piece.end, context); };
  ARROW_ASSIGN_OR_RAISE(auto text, open());
  ARROW_ASSIGN_OR_RAISE(const bool any, HasText(*text));
  if (!any) return arrow::Table::MakeEmpty(types, context.pool);
  ARROW_ASSIGN_OR_RAISE(text, open());
  auto read = arrow::json::ReadOptions::Defaults();
  read.use_threads = use_threads;
  read.block_size = block;
  auto parse = arrow::json::ParseOptions::Defaults();
  parse.explicit_schema = types;
  parse.unexpected_field_behavior =
      all_known ? arrow::json::UnexpectedFieldBehavior::Ignore : arrow::json::UnexpectedFieldBehavior::InferType;
  ARROW_ASSIGN_OR_RAISE(
      const auto reader,
      arrow::json::TableReader::Make(
          context.pool, std::make_shared<CsvText>(std::move(text), CsvOptions(), -1, context), read, parse));
  ARROW_ASSIGN_OR_RAISE(auto table, reader->Read());
  const Status sound = table->ValidateFull();
  // Arrow (26) loses the missing values with which a list begins whose type it does not know yet.
  if (!sound.ok() && !all_known) {
    return ReadOnce(piece, compression, table->schema(), true, block, use_threads, context);
  }
  ARROW_RETURN_NOT_OK(sound);
  return table;
}

Result<TablePtr> ReadPiece(const CsvPiece& piece, const std::string& compression, const SchemaPtr& types,
                           bool all_known, bool use_threads, const Context& context) {
  const std::string where =
      "read_json: file '" + piece.path + "'" +
      (piece.end < 0 ? "" : ", bytes " + std::to_string(piece.begin) + " to " + std::to_string(piece.end));
  try {
    for (int32_t block = kBlockBytes;; block *= 4) {
      auto table = ReadOnce(piece, compression, types, all_known, block, use_threads, context);
      if (table.ok()) return table;
      const bool straddles = table.status().message().find("straddling") != std::string::npos;
      if (straddles && block < kMaxBlockBytes) continue;
      if (table.status().IsInvalid()) return table.status().WithMessage(where, ": ", table.status().message());
      return FileError(table.status(), where);
    }
  } catch (const std::bad_alloc&) {
    return Status::OutOfMemory(where, ": out of memory");
  } catch (const std::exception& e) {
    return Status::IOError(where, ": ", e.what());
  }
}

}  // namespace

Result<int64_t> NextLine(const std::string& path, int64_t at, int64_t size, const Context& context) {
  if (at <= 0) return 0;
  if (at >= size) return size;
  ARROW_ASSIGN_OR_RAISE(const auto text, OpenUnpacked(path, "none", at - 1, size, context));
  for (int64_t before = at - 1;;) {
    ARROW_RETURN_NOT_OK(context.stop.Poll());
    ARROW_ASSIGN_OR_RAISE(const auto some, text->Read(kPieceBytes));
    if (some->size() == 0) return size;
    const size_t found = std::string_view(*some).find('\n');
    if (found != std::string_view::npos) return before + static_cast<int64_t>(found) + 1;
    before += some->size();
  }
}

Result<std::string> JsonSchema::Pack() const {
  ARROW_ASSIGN_OR_RAISE(const auto bytes, arrow::ipc::SerializeSchema(*schema));
  return ByteWriter().PutString(source).PutString(std::string_view(*bytes)).Take();
}

Result<JsonSchema> JsonSchema::Unpack(std::string_view bytes) {
  ByteReader reader(bytes);
  JsonSchema made;
  ARROW_ASSIGN_OR_RAISE(made.source, reader.GetString());
  ARROW_ASSIGN_OR_RAISE(const auto raw, reader.GetString());
  arrow::io::BufferReader stream(arrow::Buffer::FromString(std::string(raw)));
  arrow::ipc::DictionaryMemo memo;
  ARROW_ASSIGN_OR_RAISE(made.schema, arrow::ipc::ReadSchema(&stream, &memo));
  return made;
}

Result<SchemaPtr> UnifyJsonSchemas(const std::vector<JsonSchema>& all) {
  arrow::FieldVector fields;
  for (const JsonSchema& one : all) {
    arrow::FieldVector plain = one.schema->fields();
    std::string bad;
    auto unified = UnifyFields(fields, plain, &bad);
    if (!bad.empty()) {
      const auto other = one.schema->GetFieldByName(bad);
      const auto own = std::find_if(fields.begin(), fields.end(), [&](const auto& f) { return f->name() == bad; });
      return Status::TypeError(kOperation, ": column '", bad, "' is ", other->type()->ToString(), " in file '",
                               one.source, "', but ", (*own)->type()->ToString(), " before");
    }
    fields = std::move(unified);
  }
  return arrow::schema(std::move(fields));
}

Result<JsonShare> JsonShare::Read(const std::vector<CsvPiece>& pieces, const JsonOptions& json,
                                  const Context& context) {
  JsonShare share(json);
  share.pieces_ = pieces;
  share.tables_.resize(pieces.size());
  arrow::FieldVector given;
  for (const auto& [name, type] : json.types) given.push_back(arrow::field(name, type));
  const SchemaPtr types = arrow::schema(std::move(given));
  const auto count = static_cast<int64_t>(pieces.size());
  const bool within = count < context.threads;
  Context outer = context;
  if (within) outer.threads = 1;
  ARROW_RETURN_NOT_OK(ParallelFor(outer, count, [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    ARROW_ASSIGN_OR_RAISE(share.tables_[at], ReadPiece(pieces[at], json.compression, types, false, within, context));
    return Status::OK();
  }));
  return share;
}

std::vector<JsonSchema> JsonShare::Schemas() const {
  std::vector<JsonSchema> all;
  for (size_t i = 0; i < pieces_.size(); ++i) {
    arrow::FieldVector fields;
    for (const auto& field : tables_[i]->schema()->fields()) {
      // A type that was asked for stays, timestamps too.
      const auto& types = json_->types;
      const bool given =
          std::any_of(types.begin(), types.end(), [&](const auto& type) { return type.first == field->name(); });
      fields.push_back(given ? field : field->WithType(WithoutTimes(field->type())));
    }
    all.push_back({pieces_[i].path, arrow::schema(std::move(fields))});
  }
  return all;
}

Result<TablePtr> JsonShare::Fit(const SchemaPtr& schema, const Context& context) && {
  for (size_t i = 0; i < pieces_.size(); ++i) {
    TablePtr& table = tables_[i];
    arrow::ChunkedArrayVector columns;
    for (const auto& field : schema->fields()) {
      auto column = table->GetColumnByName(field->name());
      if (column == nullptr || column->type()->id() == Type::NA) {
        ARROW_ASSIGN_OR_RAISE(auto nulls, arrow::MakeArrayOfNull(field->type(), table->num_rows(), context.pool));
        column = std::make_shared<arrow::ChunkedArray>(std::move(nulls));
      }
      if (!column->type()->Equals(*field->type())) break;
      columns.push_back(std::move(column));
    }
    if (static_cast<int>(columns.size()) == schema->num_fields()) {
      table = arrow::Table::Make(schema, std::move(columns), table->num_rows());
      continue;
    }
    columns.clear();
    table.reset();
    ARROW_ASSIGN_OR_RAISE(const auto again,
                          ReadPiece(pieces_[i], json_->compression, schema, true, context.threads > 1, context));
    ARROW_ASSIGN_OR_RAISE(table, again->SelectColumns([&] {
      std::vector<int> order;
      for (const auto& field : schema->fields()) order.push_back(again->schema()->GetFieldIndex(field->name()));
      return order;
    }()));
  }
  if (tables_.empty()) return arrow::Table::MakeEmpty(schema, context.pool);
  return arrow::ConcatenateTables(tables_);
}

Result<TablePtr> ReadJson(const std::vector<std::string>& paths, const JsonOptions& json, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto files, ExpandPaths(paths, ".jsonl"));
  std::vector<CsvPiece> pieces;
  for (const std::string& file : files) pieces.push_back({file, 0, -1});
  ARROW_ASSIGN_OR_RAISE(auto share, JsonShare::Read(pieces, json, context));
  ARROW_ASSIGN_OR_RAISE(const auto schema, UnifyJsonSchemas(share.Schemas()));
  return std::move(share).Fit(schema, context);
}

}  // namespace weft::io
