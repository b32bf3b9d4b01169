#include <utility>

#include "weft/io/csv_file.h"
#include "weft/io/read.h"
#include "weft/io/share.h"

namespace weft::io {

using arrow::Result;
using arrow::Status;

Result<std::shared_ptr<arrow::Table>> ReadCsv(const std::vector<std::string>& paths, const CsvOptions& csv,
                                              const ReadOptions& options, const Context& context) {
  constexpr std::string_view kOperation = "read_csv";
  ARROW_RETURN_NOT_OK(CheckCsvOptions(csv));
  ARROW_ASSIGN_OR_RAISE(const auto files, ExpandPaths(paths, ".csv"));
  ARROW_ASSIGN_OR_RAISE(const auto sizes, FileSizes(files, kOperation));
  const Share share = ContiguousShare(sizes, options.rank, options.world_size);
  std::vector<CsvPiece> pieces;
  TraceSpan span(context.tracer, "read_csv.read");
  for (auto i = static_cast<size_t>(share.begin); i < static_cast<size_t>(share.end); ++i) {
    pieces.push_back({files[i], 0, -1});
    span.AddBytes(sizes[i]);
  }
  if (pieces.empty()) return nullptr;
  ARROW_ASSIGN_OR_RAISE(auto texts, CsvShare::Read(pieces, csv, options, context));
  ARROW_ASSIGN_OR_RAISE(const auto columns, texts.Columns(context));
  ARROW_ASSIGN_OR_RAISE(const auto schema, CsvSchema(columns, csv));
  ARROW_ASSIGN_OR_RAISE(auto table, std::move(texts).Convert(schema, context));
  ARROW_ASSIGN_OR_RAISE(table, FilterCsv(std::move(table), columns, options, context));
  span.AddRows(table->num_rows());
  return table;
}

}  // namespace weft::io
