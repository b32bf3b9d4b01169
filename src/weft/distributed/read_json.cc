#include <algorithm>
#include <utility>

#include "weft/base/byte_codec.h"
#include "weft/distributed/read.h"
#include "weft/distributed/sources.h"
#include "weft/exchange/exchange.h"
#include "weft/io/json_file.h"
#include "weft/io/location.h"
#include "weft/io/share.h"

namespace weft::distributed {
namespace {

using arrow::Result;
using arrow::Status;
using TablePtr = std::shared_ptr<arrow::Table>;

constexpr std::string_view kOperation = "read_json";

/// This rank's pieces: the lines that begin in its ranges of bytes.
Result<std::vector<io::CsvPiece>> CutPieces(Communicator& communicator, const FileList& list,
                                            const io::JsonOptions& json, const Context& context) {
  std::vector<bool> splittable;
  for (size_t i = 0; i < list.files.size(); ++i) {
    const std::string& name = list.files[i].name;
    const bool plain = json.compression == "none" || (json.compression == "infer" && io::CompressionOf(name) == "none");
    splittable.push_back(plain && list.sizes[i] >= std::max<int64_t>(json.split_bytes, 1));
  }
  const auto ranks = io::ShareBytes(list.sizes, splittable, communicator.world_size());
  std::vector<io::CsvPiece> pieces;
  for (const io::ByteRange& range : ranks[static_cast<size_t>(communicator.rank())]) {
    io::CsvPiece piece{list.files[range.file].name, 0, -1};
    if (range.cut) {
      const int64_t size = list.sizes[range.file];
      ARROW_ASSIGN_OR_RAISE(piece.begin, io::NextLine(piece.path, range.begin, size, context));
      ARROW_ASSIGN_OR_RAISE(piece.end, io::NextLine(piece.path, range.end, size, context));
    }
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

}  // namespace

Result<TablePtr> ReadJson(Communicator& communicator, const Sources& sources, const io::JsonOptions& json,
                          const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const FileList list,
                        AgreeOnFiles(communicator, sources, ".jsonl", io::Hive::kRefused, true, kOperation));
  const auto read = [&]() -> Result<io::JsonShare> {
    std::vector<io::CsvPiece> pieces;
    if (sources.own) {
      for (const io::DataFile& file : list.files) pieces.push_back({file.name, 0, -1});
    } else {
      ARROW_ASSIGN_OR_RAISE(pieces, CutPieces(communicator, list, json, context));
    }
    return io::JsonShare::Read(pieces, json, context);
  };
  auto share = read();
  const auto pack = [&]() -> Result<std::string> {
    ARROW_RETURN_NOT_OK(share.status());
    ByteWriter writer;
    for (const io::JsonSchema& schema : share->Schemas()) {
      ARROW_ASSIGN_OR_RAISE(const auto bytes, schema.Pack());
      writer.PutString(bytes);
    }
    return writer.Take();
  };
  const auto mine = pack();
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, mine.status(), kOperation));
  ARROW_ASSIGN_OR_RAISE(const auto packed, exchange::AllgatherBytes(communicator, *mine));
  std::vector<io::JsonSchema> all;
  for (const std::string& bytes : packed) {
    ByteReader reader(bytes);
    while (reader.left() > 0) {
      ARROW_ASSIGN_OR_RAISE(const auto one, reader.GetString());
      ARROW_ASSIGN_OR_RAISE(all.emplace_back(), io::JsonSchema::Unpack(one));
    }
  }
  ARROW_ASSIGN_OR_RAISE(const auto schema, io::UnifyJsonSchemas(all));
  auto table = (*std::move(share)).Fit(schema, context);
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, table.status(), kOperation));
  return table;
}

}  // namespace weft::distributed
