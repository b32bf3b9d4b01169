#include "weft/backends/tcp/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "weft/base/open_files.h"
#include "weft/base/spill.h"

namespace weft::tcp {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
/// Datagrams that are looked at for the one with the token.
constexpr int kMostLetters = 64;
static_assert(Mailbox::kAddressSize == 2 * sizeof(Hash));

arrow::Status SystemError(const char* what) {
  return arrow::Status::IOError("tcp: shared memory: ", what, ": ", ErrnoText(errno));
}

/// An abstract name: a zero, then the bytes.
socklen_t NameOf(std::string_view name, sockaddr_un* address) {
  *address = {};
  address->sun_family = AF_UNIX;
  std::memcpy(address->sun_path + 1, name.data(), name.size());
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
}

/// A message of one descriptor and the token.
struct Letter {
  explicit Letter(Hash* token) : span{token->data(), token->size()} {
    message.msg_iov = &span;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
  }
  iovec span;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
};

}  // namespace

arrow::Result<Mapping> Mapping::Make(int descriptor, int64_t size, bool writable) {
  void* const at = ::mmap(nullptr, static_cast<size_t>(size), writable ? PROT_READ | PROT_WRITE : PROT_READ,
                          MAP_SHARED | MAP_POPULATE, descriptor, 0);
  if (at == MAP_FAILED) return SystemError("mmap");
  Spill::CountShared(size);
  return Mapping(static_cast<std::byte*>(at), size);
}

Mapping::Mapping(Mapping&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}

Mapping::~Mapping() {
  if (data_ == nullptr) return;
  ::munmap(data_, static_cast<size_t>(size_));
  Spill::CountShared(-size_);
}

arrow::Result<std::unique_ptr<SharedOut>> SharedOut::Make(int64_t size) {
  Descriptor memory(::memfd_create("weft", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory.valid()) return SystemError("memfd_create");
  // All pages now: where there is no memory this says so, and a page that is missing later would be a SIGBUS.
  if (::posix_fallocate(memory.get(), 0, size) != 0) return SystemError("fallocate");
  if (::fcntl(memory.get(), F_ADD_SEALS, kSeals) != 0) return SystemError("F_ADD_SEALS");
  ARROW_ASSIGN_OR_RAISE(Mapping mapping, Mapping::Make(memory.get(), size, /*writable=*/true));
  return std::unique_ptr<SharedOut>(new SharedOut(std::move(memory), std::move(mapping)));
}

void SharedOut::Put(PartCursor<ConstBytes>* from, int64_t length) {
  const int64_t at = written_ % size();
  const int64_t first = std::min(length, size() - at);
  from->CopyTo(mapping_.data() + at, first);
  if (first < length) from->CopyTo(mapping_.data(), length - first);
  written_ += length;
}

arrow::Result<std::unique_ptr<SharedIn>> SharedIn::Open(Descriptor memory, uint64_t size) {
  struct stat about = {};
  if (!memory.valid() || ::fstat(memory.get(), &about) != 0) return arrow::Status::Invalid("no descriptor came");
  const int seals = ::fcntl(memory.get(), F_GET_SEALS);
  if (size == 0 || size > static_cast<uint64_t>(kMostMemory) || about.st_size < static_cast<int64_t>(size) ||
      seals < 0 || (seals & F_SEAL_SHRINK) == 0) {
    return arrow::Status::Invalid("what came is no memory of ", size, " bytes that stays");
  }
  ARROW_ASSIGN_OR_RAISE(Mapping mapping, Mapping::Make(memory.get(), static_cast<int64_t>(size), /*writable=*/false));
  return std::unique_ptr<SharedIn>(new SharedIn(std::move(mapping)));
}

std::array<ConstBytes, 2> SharedIn::Next(int64_t length) {
  const int64_t at = read_ % size();
  const int64_t first = std::min(length, size() - at);
  read_ += length;
  return {ConstBytes(mapping_.data() + at, static_cast<size_t>(first)),
          ConstBytes(mapping_.data(), static_cast<size_t>(length - first))};
}

arrow::Result<std::unique_ptr<Mailbox>> Mailbox::Open() {
  ARROW_ASSIGN_OR_RAISE(const Hash name, MakeNonce());
  ARROW_ASSIGN_OR_RAISE(const Hash token, MakeNonce());
  Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return SystemError("socket");
  sockaddr_un address;
  const socklen_t size = NameOf(AsView(name), &address);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) return SystemError("bind");
  return std::unique_ptr<Mailbox>(new Mailbox(std::move(socket), name, token));
}

std::string Mailbox::address() const { return std::string(AsView(name_)) + std::string(AsView(token_)); }

Descriptor Mailbox::Take() {
  for (int i = 0; i < kMostLetters; ++i) {
    Hash token = {};
    Letter letter(&token);
    const ssize_t got = ::recvmsg(socket_.get(), &letter.message, MSG_CMSG_CLOEXEC);
    if (got < 0) return {};
    Descriptor descriptor;
    // No more than one fits; of a longer list the kernel closes the rest.
    const cmsghdr* const head = CMSG_FIRSTHDR(&letter.message);
    if (head != nullptr && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
        head->cmsg_len == CMSG_LEN(sizeof(int))) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(head), sizeof(number));
      descriptor = Descriptor(number);
    }
    if (got == static_cast<ssize_t>(token.size()) && SameProof(token_, AsView(token)) && descriptor.valid()) {
      return descriptor;
    }
  }
  return {};
}

arrow::Status Mailbox::Post(std::string_view address, int descriptor) {
  if (address.size() != kAddressSize) return arrow::Status::Invalid("no address of a mailbox");
  Hash token = {};
  std::memcpy(token.data(), address.data() + sizeof(Hash), sizeof(Hash));
  sockaddr_un to;
  Letter letter(&token);
  letter.message.msg_name = &to;
  letter.message.msg_namelen = NameOf(address.substr(0, sizeof(Hash)), &to);
  cmsghdr* const head = CMSG_FIRSTHDR(&letter.message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(head), &descriptor, sizeof(descriptor));
  const Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return SystemError("socket");
  if (::sendmsg(socket.get(), &letter.message, MSG_NOSIGNAL) < 0) return SystemError("sendmsg");
  return arrow::Status::OK();
}

}  // namespace weft::tcp
