// Writing one output by all ranks together.
#pragma once

#include <arrow/result.h>
#include <arrow/table.h>

#include <memory>
#include <string>

#include "weft/base/context.h"
#include "weft/communicator/communicator.h"
#include "weft/io/write.h"

namespace weft::distributed {

/// Collective. Writes a directory of one part a rank; it is visible whole or not at all. An error of any rank is an
/// error of all, and leaves nothing behind. `token` is the session's; rank 0 adds the number of the write.
arrow::Status Write(Communicator& communicator, const std::string& path, const std::shared_ptr<arrow::Table>& table,
                    const io::WriteOptions& options, const std::string& token, bool overwrite, const Context& context);

}  // namespace weft::distributed
