#include "weft/io/csv_text.h"

#include <arrow/filesystem/filesystem.h>
#include <arrow/io/compressed.h>
#include <arrow/util/compression.h>
#include <iconv.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

#include "weft/io/input_file.h"
#include "weft/io/location.h"

namespace weft::io {
namespace {

using arrow::Result;
using arrow::Status;
using Stream = std::shared_ptr<arrow::io::InputStream>;

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr int64_t kPieceBytes = 1 << 16;

struct Packing {
  std::string_view extension;
  std::string_view name;
  arrow::Compression::type type;
};
constexpr Packing kPackings[] = {{".gz", "gzip", arrow::Compression::GZIP},
                                 {".bz2", "bz2", arrow::Compression::BZ2},
                                 {".zst", "zstd", arrow::Compression::ZSTD},
                                 {".lz4", "lz4", arrow::Compression::LZ4_FRAME}};

bool IsUtf8(const std::string& encoding) {
  std::string plain;
  for (const char c : encoding) {
    if (c != '-' && c != '_') plain += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  }
  return plain == "utf8" || plain == "utf8sig" || plain == "ascii" || plain == "usascii";
}

/// A stream of another encoding as UTF-8.
class Transcoded : public arrow::io::InputStream {
 public:
  static Result<Stream> Make(Stream source, const std::string& encoding, const Context& context) {
    const iconv_t converter = ::iconv_open("UTF-8", encoding.c_str());
    if (converter == reinterpret_cast<iconv_t>(-1)) {  // NOLINT(performance-no-int-to-ptr): iconv's own form of failure
      return Status::Invalid("encoding '", encoding, "' is not known");
    }
    auto made = std::shared_ptr<Transcoded>(new Transcoded(std::move(source), encoding, converter, context));
    return Stream(std::move(made));
  }
  ~Transcoded() override { ::iconv_close(converter_); }

  Status Close() override { return source_->Close(); }
  bool closed() const override { return source_->closed(); }
  Result<int64_t> Tell() const override { return position_; }

  Result<int64_t> Read(int64_t nbytes, void* out) override {
    auto* to = static_cast<char*>(out);
    auto left = static_cast<size_t>(nbytes);
    // At least one character, unless the text ends.
    while (left > 0) {
      if (!held_.empty()) {
        const size_t some = std::min(left, held_.size());
        std::memcpy(to, held_.data(), some);
        held_.erase(0, some);
        to += some;
        left -= some;
        continue;
      }
      if (ended_ && taken_ == input_.size()) break;
      ARROW_RETURN_NOT_OK(Convert());
    }
    const int64_t got = nbytes - static_cast<int64_t>(left);
    position_ += got;
    return got;
  }

  Result<std::shared_ptr<arrow::Buffer>> Read(int64_t nbytes) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(nbytes, context_.pool));
    ARROW_ASSIGN_OR_RAISE(const int64_t got, Read(nbytes, buffer->mutable_data()));
    ARROW_RETURN_NOT_OK(buffer->Resize(got, false));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }

 private:
  Transcoded(Stream source, std::string encoding, iconv_t converter, const Context& context)
      : source_(std::move(source)), encoding_(std::move(encoding)), converter_(converter), context_(context) {}

  /// Fills `held_` with what the next bytes are.
  Status Convert() {
    input_.erase(0, taken_);
    taken_ = 0;
    if (!ended_) {
      ARROW_ASSIGN_OR_RAISE(const auto more, source_->Read(kPieceBytes));
      ended_ = more->size() == 0;
      input_.append(reinterpret_cast<const char*>(more->data()), static_cast<size_t>(more->size()));
    }
    char* from = input_.data();
    size_t from_left = input_.size();
    held_.resize(4 * input_.size() + 16);
    char* to = held_.data();
    size_t to_left = held_.size();
    const size_t done = ::iconv(converter_, &from, &from_left, &to, &to_left);
    taken_ = input_.size() - from_left;
    consumed_ += static_cast<int64_t>(taken_);
    held_.resize(held_.size() - to_left);
    // What is cut off at the end of a piece waits for the next.
    if (done == static_cast<size_t>(-1) && (errno == EILSEQ || (errno == EINVAL && ended_))) {
      return Status::Invalid("byte ", consumed_, " is not ", encoding_);
    }
    return Status::OK();
  }

  Stream source_;
  const std::string encoding_;
  const iconv_t converter_;
  const Context context_;
  std::string input_;
  size_t taken_ = 0;
  std::string held_;
  bool ended_ = false;
  int64_t consumed_ = 0;
  int64_t position_ = 0;
};

std::vector<std::string> HeaderNames(const std::vector<std::string>& fields) {
  std::vector<std::string> names;
  std::set<std::string> taken(fields.begin(), fields.end());
  std::set<std::string> used;
  for (size_t i = 0; i < fields.size(); ++i) {
    std::string name = fields[i].empty() ? "Unnamed: " + std::to_string(i) : fields[i];
    for (int copy = 1; used.contains(name); ++copy) {
      const std::string next = fields[i] + "." + std::to_string(copy);
      if (!taken.contains(next) && !used.contains(next)) name = next;
    }
    used.insert(name);
    names.push_back(std::move(name));
  }
  return names;
}

}  // namespace

std::string_view CompressionOf(std::string_view name) {
  for (const Packing& packing : kPackings) {
    if (name.ends_with(packing.extension)) return packing.name;
  }
  return "none";
}

bool CanSplitCsv(const std::string& path, const CsvOptions& csv) {
  if (!IsUtf8(csv.encoding)) return false;
  if (csv.compression != "infer") return csv.compression == "none";
  const auto location = Locate(path);
  return location.ok() && CompressionOf(location->path) == "none";
}

Result<Stream> OpenUnpacked(const std::string& path, const std::string& compression, int64_t begin, int64_t end,
                            const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const Location location, Locate(path));
  const std::string_view name = compression == "infer" ? CompressionOf(location.path) : std::string_view(compression);
  if (name == "none" && (begin > 0 || end >= 0)) {
    ARROW_ASSIGN_OR_RAISE(auto file, OpenInput(location, context.pool));
    ARROW_ASSIGN_OR_RAISE(const int64_t size, file->GetSize());
    if (begin > size || end > size) return Status::IOError("it has ", size, " bytes now, it had more before");
    return arrow::io::RandomAccessFile::GetStream(std::move(file), begin, (end < 0 ? size : end) - begin);
  }
  ARROW_ASSIGN_OR_RAISE(auto stream, location.file_system->OpenInputStream(location.path));
  if (name == "none") return stream;
  for (const Packing& packing : kPackings) {
    if (name != packing.name) continue;
    // The stream uses the codec as long as it lives.
    struct Unpacked {
      std::unique_ptr<arrow::util::Codec> codec;
      std::shared_ptr<arrow::io::CompressedInputStream> text;
    };
    auto unpacked = std::make_shared<Unpacked>();
    ARROW_ASSIGN_OR_RAISE(unpacked->codec, arrow::util::Codec::Create(packing.type));
    ARROW_ASSIGN_OR_RAISE(
        unpacked->text, arrow::io::CompressedInputStream::Make(unpacked->codec.get(), std::move(stream), context.pool));
    return Stream(unpacked, unpacked->text.get());
  }
  return Status::Invalid("compression '", compression, "' is not known; there are infer, gzip, bz2, zstd, lz4, none");
}

Result<Stream> OpenCsvText(const CsvPiece& piece, const CsvOptions& csv, const Context& context) {
  if (CanSplitCsv(piece.path, csv)) return OpenUnpacked(piece.path, csv.compression, piece.begin, piece.end, context);
  ARROW_ASSIGN_OR_RAISE(auto text, OpenUnpacked(piece.path, csv.compression, 0, -1, context));
  if (!IsUtf8(csv.encoding)) {
    ARROW_ASSIGN_OR_RAISE(text, Transcoded::Make(std::move(text), csv.encoding, context));
  }
  // What cannot be sought is read over.
  int64_t left = piece.begin;
  while (left > 0) {
    ARROW_ASSIGN_OR_RAISE(const auto some, text->Read(std::min(left, kPieceBytes)));
    if (some->size() == 0) break;
    left -= some->size();
  }
  return text;
}

Result<CsvStart> ReadCsvStart(const std::string& path, const CsvOptions& csv, const Context& context) {
  ARROW_ASSIGN_OR_RAISE(const auto stream, OpenCsvText({path, 0, -1}, csv, context));
  CsvHeadReader head(*stream, csv.delimiter, csv.quote);
  ARROW_RETURN_NOT_OK(head.Skip(kByteOrderMark));
  CsvStart start;
  for (int64_t row = 0; row < csv.skip_rows; ++row) {
    ARROW_RETURN_NOT_OK(head.SkipLine());
  }
  size_t width = 0;
  std::vector<std::string> fields;
  if (csv.header) {
    for (int row = 0; row <= csv.header_row; ++row) {
      ARROW_ASSIGN_OR_RAISE(const bool found, head.Next(&fields));
      if (found) continue;
      if (row == 0) return Status::Invalid("the file is empty: it has no header line");
      return Status::Invalid("header=", csv.header_row, ", but the file has only ", row, " lines");
    }
    width = fields.size();
    start.names = csv.names.empty() ? HeaderNames(fields) : csv.names;
  }
  start.offset = head.offset();
  start.line = head.line();
  if (!csv.header) {
    ARROW_ASSIGN_OR_RAISE(const bool found, head.Next(&fields));
    width = found ? fields.size() : csv.names.size();
    start.names = csv.names;
    for (size_t i = 0; csv.names.empty() && i < width; ++i) start.names.push_back(std::to_string(i));
    if (start.names.empty()) return Status::Invalid("the file is empty: its columns are not known");
  }
  if (start.names.size() != width) {
    return Status::Invalid("line ", head.record_line(), ": ", width, " columns, but names= gives ", start.names.size());
  }
  return start;
}

CsvText::CsvText(Stream text, const CsvOptions& csv, int64_t max_records, const Context& context)
    : text_(std::move(text)),
      delimiter_(csv.delimiter),
      quote_(csv.quote),
      scanner_(csv.delimiter, csv.quote),
      records_left_(max_records),
      context_(context) {}

Result<int64_t> CsvText::Read(int64_t nbytes, void* out) {
  ARROW_RETURN_NOT_OK(context_.stop.Poll());
  if (records_left_ == 0) return 0;
  ARROW_ASSIGN_OR_RAISE(int64_t got, text_->Read(nbytes, out));
  std::string_view text(static_cast<const char*>(out), static_cast<size_t>(got));
  if (records_left_ > 0) {
    size_t used = 0;
    while (used < text.size() && records_left_ > 0) {
      used += scanner_.Next(text.substr(used), nullptr);
      if (!scanner_.done()) continue;
      scanner_.Reset();
      --records_left_;
    }
    text = text.substr(0, used);
    got = static_cast<int64_t>(used);
  }
  if (const size_t last = text.rfind(quote_); last != std::string_view::npos) {
    const char before = last > 0 ? text[last - 1] : last_byte_;
    may_end_quoted_ = before == delimiter_ || before == '\n' || before == '\r' || before == quote_;
  }
  if (!text.empty()) last_byte_ = text.back();
  position_ += got;
  return got;
}

Result<std::shared_ptr<arrow::Buffer>> CsvText::Read(int64_t nbytes) {
  ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(nbytes, context_.pool));
  ARROW_ASSIGN_OR_RAISE(const int64_t got, Read(nbytes, buffer->mutable_data()));
  ARROW_RETURN_NOT_OK(buffer->Resize(got, false));
  return std::shared_ptr<arrow::Buffer>(std::move(buffer));
}

}  // namespace weft::io
