#include "weft/base/communication_error.h"

#include <cstdio>
#include <memory>
#include <utility>

namespace weft {
namespace {

constexpr const char* kDetailTypeId = "weft::CommunicationError";

std::string Describe(const CommunicationError& error) {
  std::string text;
  const auto add = [&text](const std::string& word) {
    if (!text.empty()) text += ", ";
    text += word;
  };
  if (error.rank >= 0) add("rank " + std::to_string(error.rank));
  if (error.peer >= 0) add("peer " + std::to_string(error.peer));
  if (!error.operation.empty()) add("in " + error.operation);
  if (!error.phase.empty()) add("phase " + error.phase);
  if (error.bytes >= 0) add(std::to_string(error.bytes) + " bytes moved");
  if (error.elapsed > Duration::zero()) {
    char buffer[32];
    std::snprintf(buffer, sizeof(buffer), "after %.3f s", Seconds(error.elapsed));
    add(buffer);
  }
  return text;
}

class Detail : public arrow::StatusDetail {
 public:
  explicit Detail(CommunicationError error) : error_(std::move(error)) {}
  const char* type_id() const override { return kDetailTypeId; }
  std::string ToString() const override { return Describe(error_); }
  const CommunicationError& error() const { return error_; }

 private:
  CommunicationError error_;
};

}  // namespace

std::string_view CommunicationFailureName(CommunicationFailure failure) {
  switch (failure) {
    case CommunicationFailure::kOther:
      return "communicator error";
    case CommunicationFailure::kPeerLost:
      return "peer lost";
    case CommunicationFailure::kTimedOut:
      return "timed out";
    case CommunicationFailure::kAuthenticationFailed:
      return "authentication failed";
    case CommunicationFailure::kSuperseded:
      return "superseded";
    case CommunicationFailure::kAborted:
      return "aborted";
    case CommunicationFailure::kCancelled:
      return "cancelled";
    case CommunicationFailure::kMismatch:
      return "mismatch";
  }
  return "unknown";
}

arrow::Status MakeCommunicationError(CommunicationError error, const std::string& message) {
  std::string text(CommunicationFailureName(error.failure));
  text += ": " + message;
  auto detail = std::make_shared<Detail>(std::move(error));
  return {arrow::StatusCode::IOError, std::move(text), std::move(detail)};
}

const CommunicationError* GetCommunicationError(const arrow::Status& status) {
  const auto& detail = status.detail();
  if (detail == nullptr || std::string_view(detail->type_id()) != kDetailTypeId) return nullptr;
  return &static_cast<const Detail*>(detail.get())->error();
}

bool IsCommunicationError(const arrow::Status& status, CommunicationFailure failure) {
  const CommunicationError* error = GetCommunicationError(status);
  return error != nullptr && error->failure == failure;
}

}  // namespace weft
