// Files opened for reading: whose memory they take, and how much of it.
#include <arrow/memory_pool.h>

#include "io/files.h"
#include "weft/io/input_file.h"
#include "weft/io/read.h"
#include "weft/io/write.h"

namespace weft::io {
namespace {

using test::TemporaryDirectory;

TEST(InputFile, ReadsAreCutAtTheEndBeforeMemoryIsTaken) {
  TemporaryDirectory directory;
  const auto location = Locate(directory.Write("ten", "0123456789"));
  ASSERT_TRUE(location.ok());
  arrow::CappedMemoryPool pool(arrow::default_memory_pool(), 1024);
  {
    const auto opened = OpenInput(*location, &pool);
    ASSERT_TRUE(opened.ok());
    const auto& file = *opened;
    const auto tail = file->ReadAt(7, int64_t{1} << 50);
    ASSERT_TRUE(tail.ok()) << tail.status();
    EXPECT_EQ((*tail)->ToString(), "789");
    EXPECT_GT(pool.bytes_allocated(), 0);
    ASSERT_TRUE(file->Seek(8).ok());
    EXPECT_EQ((*file->Read(int64_t{1} << 50))->ToString(), "89");
    EXPECT_EQ((*file->Read(5))->size(), 0);
    EXPECT_EQ(*file->Tell(), 10);
    EXPECT_EQ((*file->ReadAt(99, 5))->size(), 0);
    EXPECT_FALSE(file->ReadAt(-1, 5).ok());
    EXPECT_FALSE(file->ReadAt(1, -5).ok());
    EXPECT_FALSE(file->Seek(-1).ok());
  }
  EXPECT_EQ(pool.bytes_allocated(), 0);
}

TEST(InputFile, AMemoryLimitHoldsForWhatIsRead) {
  TemporaryDirectory directory;
  const auto table = test::CountingTable(0, 200'000);
  for (const auto format : {FileFormat::kIpcFile, FileFormat::kIpcStream, FileFormat::kParquet}) {
    WriteOptions options;
    options.format = format;
    options.compression = "none";
    const std::string path = directory / "whole";
    ASSERT_TRUE(WriteFile(path, *table, options, Context()).ok());
    arrow::CappedMemoryPool pool(arrow::default_memory_pool(), 256 << 10);
    Context context;
    context.pool = &pool;
    const auto read = format == FileFormat::kParquet ? ReadParquet(std::vector<std::string>{path}, {}, context)
                                                     : ReadIpc({{path, {}}}, {}, context);
    EXPECT_TRUE(read.status().IsOutOfMemory()) << read.status();
  }
}

}  // namespace
}  // namespace weft::io
