#include <algorithm>
#include <map>
#include <utility>

#include "weft/base/byte_codec.h"
#include "weft/distributed/read.h"
#include "weft/distributed/sources.h"
#include "weft/exchange/exchange.h"
#include "weft/io/csv_file.h"
#include "weft/io/csv_split.h"
#include "weft/io/share.h"

namespace weft::distributed {
namespace {

using arrow::Result;
using arrow::Status;
using TablePtr = std::shared_ptr<arrow::Table>;

constexpr std::string_view kOperation = "read_csv";

/// All ranks' ranges of bytes, by rank; the same on all ranks.
std::vector<std::vector<io::ByteRange>> ShareOut(Communicator& communicator, const FileList& list,
                                                 const io::CsvOptions& csv) {
  if (csv.max_rows >= 0) {
    std::vector<std::vector<io::ByteRange>> ranks(static_cast<size_t>(communicator.world_size()));
    for (size_t i = 0; i < list.files.size(); ++i) ranks[0].push_back({i, 0, list.sizes[i], false});
    return ranks;
  }
  std::vector<bool> splittable;
  for (size_t i = 0; i < list.files.size(); ++i) {
    splittable.push_back(list.sizes[i] >= std::max<int64_t>(csv.split_bytes, 1) &&
                         io::CanSplitCsv(list.files[i].name, csv));
  }
  return io::ShareBytes(list.sizes, splittable, communicator.world_size());
}

/// A cut file's ranges over all ranks, in order.
struct CutFile {
  std::vector<io::CsvEffect> effects;
  std::vector<int> ranks;
  int64_t start = 0;
};

/// What this rank's cut ranges do, and where their files' data begin.
Result<std::string> ScanOwn(const std::vector<io::ByteRange>& ranges, const FileList& list, const io::CsvOptions& csv,
                            const Context& context) {
  ByteWriter writer;
  TraceSpan span(context.tracer, "read_csv.scan");
  for (const io::ByteRange& range : ranges) {
    if (!range.cut) continue;
    const std::string& path = list.files[range.file].name;
    const auto scan = [&]() -> Status {
      ARROW_ASSIGN_OR_RAISE(const auto start, io::ReadCsvStart(path, csv, context));
      ARROW_ASSIGN_OR_RAISE(const auto effect,
                            io::ScanCsvRange({path, range.begin, range.end}, start.offset, csv, context));
      writer.Put(start.offset);
      for (const auto& from : effect.from) writer.Put(from.end).Put(from.record);
      return Status::OK();
    };
    const Status status = scan();
    if (!status.ok()) return io::OfCsvFile(path, status);
    span.AddBytes(range.end - range.begin);
  }
  return writer.Take();
}

/// This rank's pieces, each from the first record that begins in its range to the first of the next range.
Result<std::vector<io::CsvPiece>> CutPieces(Communicator& communicator, const FileList& list, const io::CsvOptions& csv,
                                            const Context& context) {
  const auto ranks = ShareOut(communicator, list, csv);
  const auto rank = static_cast<size_t>(communicator.rank());
  bool any = false;
  for (const auto& ranges : ranks) {
    any = any || std::any_of(ranges.begin(), ranges.end(), [](const auto& range) { return range.cut; });
  }
  std::map<size_t, CutFile> files;
  if (any) {
    const auto mine = ScanOwn(ranks[rank], list, csv, context);
    ARROW_RETURN_NOT_OK(exchange::Agree(communicator, mine.status(), kOperation));
    ARROW_ASSIGN_OR_RAISE(const auto all, exchange::AllgatherBytes(communicator, *mine));
    for (size_t r = 0; r < ranks.size(); ++r) {
      ByteReader reader(all[r]);
      for (const io::ByteRange& range : ranks[r]) {
        if (!range.cut) continue;
        CutFile& file = files[range.file];
        file.ranks.push_back(static_cast<int>(r));
        ARROW_ASSIGN_OR_RAISE(file.start, reader.Get<int64_t>());
        for (auto& from : file.effects.emplace_back().from) {
          ARROW_ASSIGN_OR_RAISE(from.end, reader.Get<io::CsvState>());
          ARROW_ASSIGN_OR_RAISE(from.record, reader.Get<int64_t>());
        }
      }
    }
  }
  std::vector<io::CsvPiece> pieces;
  for (const io::ByteRange& range : ranks[rank]) {
    const std::string& path = list.files[range.file].name;
    if (!range.cut) {
      pieces.push_back({path, 0, -1});
      continue;
    }
    const CutFile& file = files[range.file];
    const auto first = io::FirstRecords(file.effects, file.start);
    const auto own =
        static_cast<size_t>(std::find(file.ranks.begin(), file.ranks.end(), communicator.rank()) - file.ranks.begin());
    const int64_t size = list.sizes[range.file];
    const int64_t begin = first[own] < 0 ? size : first[own];
    const int64_t end = own + 1 < first.size() && first[own + 1] >= 0 ? first[own + 1] : size;
    pieces.push_back({path, begin, end});
  }
  return pieces;
}

/// What all ranks' columns unify to. Every rank computes the same from the same, its error too.
Result<io::CsvColumns> AgreeOnColumns(Communicator& communicator, const Result<std::string>& mine) {
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, mine.status(), kOperation));
  ARROW_ASSIGN_OR_RAISE(const auto packed, exchange::AllgatherBytes(communicator, *mine));
  std::vector<io::CsvColumns> all;
  for (const std::string& bytes : packed) {
    if (bytes.empty()) continue;
    ARROW_ASSIGN_OR_RAISE(all.emplace_back(), io::CsvColumns::Unpack(bytes));
  }
  return io::UnifyCsvColumns(all);
}

}  // namespace

Result<TablePtr> ReadCsv(Communicator& communicator, const Sources& sources, const io::CsvOptions& csv,
                         const io::ReadOptions& options, const Context& context) {
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, io::CheckCsvOptions(csv), kOperation));
  ARROW_ASSIGN_OR_RAISE(const FileList list,
                        AgreeOnFiles(communicator, sources, ".csv", io::Hive::kRefused, true, kOperation));
  std::vector<io::CsvPiece> pieces;
  if (sources.own) {
    for (const io::DataFile& file : list.files) pieces.push_back({file.name, 0, -1});
  } else {
    ARROW_ASSIGN_OR_RAISE(pieces, CutPieces(communicator, list, csv, context));
  }
  TraceSpan span(context.tracer, "read_csv.read");
  auto texts = io::CsvShare::Read(pieces, csv, options, context);
  const auto pack = [&]() -> Result<std::string> {
    ARROW_RETURN_NOT_OK(texts.status());
    if (texts->empty()) return std::string();
    ARROW_ASSIGN_OR_RAISE(const auto columns, texts->Columns(context));
    return columns.Pack();
  };
  ARROW_ASSIGN_OR_RAISE(const auto columns, AgreeOnColumns(communicator, pack()));
  // The filter waits until types are agreed on: it is the same on all ranks only then.
  const auto finish = [&]() -> Result<TablePtr> {
    ARROW_ASSIGN_OR_RAISE(const auto schema, io::CsvSchema(columns, csv));
    ARROW_ASSIGN_OR_RAISE(auto table, (*std::move(texts)).Convert(schema, context));
    return io::FilterCsv(std::move(table), columns, options, context);
  };
  auto result = finish();
  ARROW_RETURN_NOT_OK(exchange::Agree(communicator, result.status(), kOperation));
  span.AddRows((*result)->num_rows());
  return result;
}

}  // namespace weft::distributed
