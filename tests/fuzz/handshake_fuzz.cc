// The handshake of a link: with a stranger who says anything, and with a true peer whose words somebody alters, drops
// or says twice.
#include <array>
#include <string>

#include "fuzz/input.h"
#include "weft/backends/tcp/address.h"
#include "weft/backends/tcp/handshake.h"

namespace weft::tcp {
namespace {

using fuzz::Input;
using fuzz::Require;
using State = Handshake::State;

LinkIdentity Identity(Rank rank, Encryption encryption = Encryption::kOffEvenRelayed) {
  return *LinkIdentity::Make(std::string(32, 's'), "job", 3, rank, 4, encryption);
}

void Feed(Handshake* machine, std::string_view bytes) {
  while (!bytes.empty() && machine->wanted() > 0) {
    const std::string_view taken = bytes.substr(0, machine->wanted());
    machine->Consume(taken);
    bytes.remove_prefix(taken.size());
  }
}

bool Trusts(const Handshake& machine) {
  const State state = machine.state();
  return state == State::kAwaitNomination || state == State::kAuthenticated || state == State::kProbing ||
         state == State::kDone;
}

void Stranger(Input* input) {
  const uint8_t how = input->Byte();
  const LinkIdentity self = Identity(how / 2 % 4, static_cast<Encryption>(1 + how / 8 % 4));
  Handshake machine = how % 2 == 0 ? *Handshake::Accept(self, (how & 64) != 0)
                                   : *Handshake::Dial(self, (how / 2 + 1) % 4, LinkPath::kPunched, (how & 64) != 0);
  while (!input->empty() && machine.wanted() > 0) {
    Feed(&machine, input->Chunk());
    machine.TakeOutput();
    // Who does not know the secret gets no further than this.
    Require(!Trusts(machine));
  }
}

void Altered(Input* input) {
  const uint8_t how = input->Byte();
  const auto path = static_cast<LinkPath>(1 + how % 3);
  // In the clear: with TLS it is TLS that finds what was altered.
  Handshake higher =
      (how & 64) == 0 ? *Handshake::Dial(Identity(2), 1, path, false) : *Handshake::Accept(Identity(2), false);
  Handshake lower =
      (how & 128) == 0 ? *Handshake::Accept(Identity(1), false) : *Handshake::Dial(Identity(1), 2, path, false);
  std::array<Handshake*, 2> machines = {&higher, &lower};
  bool altered = false;
  for (int round = 0; round < 24; ++round) {
    Handshake& from = *machines[static_cast<size_t>(round) % 2];
    Handshake& to = *machines[static_cast<size_t>(round + 1) % 2];
    std::string bytes = from.TakeOutput();
    const uint8_t change = input->Byte();
    if (!bytes.empty() && change % 4 == 1) {
      bytes[input->Number<uint32_t>() % bytes.size()] ^= static_cast<char>(input->Byte() | 1);
      altered = true;
    } else if (!bytes.empty() && change % 4 == 2) {
      bytes.insert(input->Number<uint32_t>() % bytes.size(), input->Chunk());
      altered = true;
    } else if (!bytes.empty() && change % 4 == 3) {
      bytes.resize(input->Number<uint32_t>() % bytes.size());
      altered = true;
    }
    Feed(&to, bytes);
    if (lower.state() == State::kAuthenticated && (change & 16) == 0) lower.Nominate();
  }
  if (Trusts(higher)) Require(higher.peer() == 1);
  if (Trusts(lower)) Require(lower.peer() == 2);
  const bool called = (how & 64) == 0 || (how & 128) != 0;
  if (!altered && called && input->empty()) Require(Trusts(higher) && Trusts(lower));
}

}  // namespace
}  // namespace weft::tcp

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  weft::fuzz::Input input(data, size);
  const uint8_t what = input.Byte();
  if (what % 3 == 0) weft::tcp::Stranger(&input);
  if (what % 3 == 1) weft::tcp::Altered(&input);
  if (what % 3 == 2) (void)weft::tcp::Candidates::Decode(std::string(input.Take(size)));
  return 0;
}
