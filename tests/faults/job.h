// The job that ranks are killed in: two tables are read, joined over all ranks and written.
#pragma once

#include <map>
#include <string>

namespace weft::faults {

/// "key=value" for each of: backend, ranks, phase (or "none"), victim, pass, folder, left, right, out, and for a
/// backend that meets at a rendezvous server: rendezvous, job, secret.
using Orders = std::map<std::string, std::string>;

/// Runs the job as `rank`. Where this is the victim, its process is killed at the pass-th place of the phase that it
/// comes by; before that it writes the time of the monotonic clock to "killed" in the folder. Any other rank writes
/// what became of it to "rank-N" there: "ok" or "failed", then a line for each of peer, phase and operation of the
/// error, then its text; in either case behind a line with the number of places that it came by, for each phase.
/// Returns the exit code.
int RunJob(const Orders& orders, int rank);

/// Nanoseconds of the monotonic clock, which is one for all processes of a host.
long long Now();

}  // namespace weft::faults
