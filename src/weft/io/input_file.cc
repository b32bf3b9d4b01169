#include "weft/io/input_file.h"

#include <arrow/buffer.h>
#include <arrow/filesystem/filesystem.h>

#include <algorithm>
#include <utility>

namespace weft::io {
namespace {

using arrow::Result;
using arrow::Status;
using BufferPtr = std::shared_ptr<arrow::Buffer>;

class InputFile : public arrow::io::RandomAccessFile {
 public:
  InputFile(std::shared_ptr<arrow::io::RandomAccessFile> file, int64_t size, arrow::MemoryPool* pool)
      : file_(std::move(file)), size_(size), pool_(pool) {}

  Status Close() override { return file_->Close(); }
  bool closed() const override { return file_->closed(); }
  Result<int64_t> Tell() const override { return position_; }
  Status Seek(int64_t position) override {
    if (position < 0) return Status::IOError("position ", position, " is before the file's beginning");
    position_ = position;
    return Status::OK();
  }
  Result<int64_t> GetSize() override { return size_; }
  const arrow::io::IOContext& io_context() const override { return file_->io_context(); }
  Status WillNeed(const std::vector<arrow::io::ReadRange>& ranges) override {
    for (const arrow::io::ReadRange& range : ranges) {
      if (range.offset < 0 || range.length < 0 || range.length > Left(range.offset)) return Status::OK();
    }
    return file_->WillNeed(ranges);
  }

  Result<int64_t> ReadAt(int64_t position, int64_t bytes, void* out) override {
    ARROW_RETURN_NOT_OK(Check(position, bytes));
    const int64_t wanted = std::min(bytes, Left(position));
    return wanted == 0 ? 0 : file_->ReadAt(position, wanted, out);
  }

  Result<BufferPtr> ReadAt(int64_t position, int64_t bytes) override {
    ARROW_RETURN_NOT_OK(Check(position, bytes));
    const int64_t wanted = std::min(bytes, Left(position));
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(wanted, pool_));
    ARROW_ASSIGN_OR_RAISE(const int64_t got, ReadAt(position, wanted, buffer->mutable_data()));
    if (got < wanted) ARROW_RETURN_NOT_OK(buffer->Resize(got));
    return BufferPtr(std::move(buffer));
  }

  Result<int64_t> Read(int64_t bytes, void* out) override {
    ARROW_ASSIGN_OR_RAISE(const int64_t got, ReadAt(position_, bytes, out));
    position_ += got;
    return got;
  }

  Result<BufferPtr> Read(int64_t bytes) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(position_, bytes));
    position_ += buffer->size();
    return buffer;
  }

 private:
  static Status Check(int64_t position, int64_t bytes) {
    if (position >= 0 && bytes >= 0) return Status::OK();
    return Status::IOError("it asks for ", bytes, " bytes at ", position);
  }
  int64_t Left(int64_t position) const { return std::max<int64_t>(size_ - position, 0); }

  const std::shared_ptr<arrow::io::RandomAccessFile> file_;
  const int64_t size_;
  arrow::MemoryPool* const pool_;
  int64_t position_ = 0;
};

}  // namespace

Result<std::shared_ptr<arrow::io::RandomAccessFile>> OpenInput(const Location& location, arrow::MemoryPool* pool) {
  ARROW_ASSIGN_OR_RAISE(auto file, location.file_system->OpenInputFile(location.path));
  ARROW_ASSIGN_OR_RAISE(const int64_t size, file->GetSize());
  return std::make_shared<InputFile>(std::move(file), size, pool);
}

}  // namespace weft::io
