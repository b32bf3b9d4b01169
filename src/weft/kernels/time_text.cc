#include "weft/kernels/time_text.h"

#include <arrow/array.h>
#include <arrow/builder.h>
#include <arrow/compute/api_scalar.h>
#include <arrow/compute/function.h>
#include <arrow/compute/kernel.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weft::kernels {
namespace {

namespace cp = arrow::compute;

constexpr std::array<std::string_view, 12> kMonths{"January",   "February", "March",    "April",
                                                   "May",       "June",     "July",     "August",
                                                   "September", "October",  "November", "December"};
constexpr std::array<std::string_view, 7> kDays{"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                "Thursday", "Friday", "Saturday"};
constexpr int64_t kSecondsADay = 86400;

/// Rounded towards minus infinity, and the rest, which is not negative.
constexpr std::pair<int64_t, int64_t> FloorDivide(int64_t x, int64_t y) {
  int64_t quotient = x / y;
  int64_t rest = x % y;
  if (rest < 0) {
    rest += y;
    --quotient;
  }
  return {quotient, rest};
}

/// What calendar and clock show.
struct Moment {
  int64_t year;
  int64_t month;        // from 1
  int64_t day;          // from 1
  int64_t day_of_year;  // from 1
  int64_t weekday;      // from Sunday, 0
  int64_t hour;
  int64_t minute;
  int64_t second;
  int64_t microsecond;
};

/// `days` since 1970-01-01, in the Gregorian calendar. Years are counted from March, so that a leap day ends one: 400
/// of them have 146,097 days, 100 have 36,524 and 4 have 1,461.
void SetDate(int64_t days, Moment* moment) {
  constexpr int64_t kMarch = 719468;  // days from 0000-03-01 to 1970-01-01
  const auto [era, day] = FloorDivide(days + kMarch, 146097);
  // Which of the 400 years, the last days of longer spans taken out.
  const int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
  const int64_t in_year = day - (365 * year + year / 4 - year / 100);
  // Five months from March on have 153 days, whatever the year.
  const int64_t from_march = (5 * in_year + 2) / 153;
  moment->day = in_year - (153 * from_march + 2) / 5 + 1;
  moment->month = from_march < 10 ? from_march + 3 : from_march - 9;
  moment->year = era * 400 + year + (moment->month <= 2 ? 1 : 0);
  const bool leap = moment->year % 4 == 0 && (moment->year % 100 != 0 || moment->year % 400 == 0);
  // The 306 days from March to December come behind January and February.
  moment->day_of_year = in_year >= 306 ? in_year - 305 : in_year + 60 + (leap ? 1 : 0);
  moment->weekday = FloorDivide(days + 4, 7).second;
}

Moment MomentOf(int64_t value, int64_t units_a_second) {
  Moment moment{};
  const auto [seconds, rest] = FloorDivide(value, units_a_second);
  constexpr int64_t kMicros = 1'000'000;
  moment.microsecond =
      units_a_second >= kMicros ? rest / (units_a_second / kMicros) : rest * (kMicros / units_a_second);
  const auto [days, second] = FloorDivide(seconds, kSecondsADay);
  SetDate(days, &moment);
  moment.hour = second / 3600;
  moment.minute = second / 60 % 60;
  moment.second = second % 60;
  return moment;
}

void AppendDigits(int64_t value, int width, char pad, std::string* out) {
  std::array<char, 20> digits;
  size_t at = digits.size();
  do {
    digits[--at] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value > 0);
  for (size_t there = digits.size() - at; there < static_cast<size_t>(width); ++there) out->push_back(pad);
  out->append(digits.data() + at, digits.size() - at);
}

/// A directive, or where it is 0 a text as it is.
struct Piece {
  char directive;
  std::string text;
};

arrow::Result<std::vector<Piece>> ParseFormat(std::string_view format) {
  std::vector<Piece> pieces;
  const auto add_text = [&](std::string_view text) {
    if (pieces.empty() || pieces.back().directive != 0) pieces.push_back({0, {}});
    pieces.back().text += text;
  };
  const auto add_all = [&](std::string_view directives, std::string_view between) {
    for (size_t i = 0; i < directives.size(); ++i) {
      if (i > 0) add_text(between);
      pieces.push_back({directives[i], {}});
    }
  };
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      add_text(format.substr(i, 1));
      continue;
    }
    const char directive = ++i < format.size() ? format[i] : '\0';
    switch (directive) {
      case '%':
        add_text("%");
        break;
      case 'n':
        add_text("\n");
        break;
      case 't':
        add_text("\t");
        break;
      case 'D':
        add_all("mdy", "/");
        break;
      case 'F':
        add_all("Ymd", "-");
        break;
      case 'T':
        add_all("HMS", ":");
        break;
      case 'R':
        add_all("HM", ":");
        break;
      case 'h':
        pieces.push_back({'b', {}});
        break;
      default:
        if (directive == '\0' || std::string_view("YymdeHIMSfjpaAbB").find(directive) == std::string_view::npos) {
          return arrow::Status::Invalid("weft_strftime: '%", std::string(directive == '\0' ? 0 : 1, directive),
                                        "' is no directive that it knows");
        }
        pieces.push_back({directive, {}});
    }
  }
  return pieces;
}

void AppendPiece(const Piece& piece, const Moment& moment, std::string* out) {
  switch (piece.directive) {
    case 'Y':
      if (moment.year < 0) out->push_back('-');
      return AppendDigits(moment.year < 0 ? -moment.year : moment.year, 4, '0', out);
    case 'y':
      return AppendDigits(FloorDivide(moment.year, 100).second, 2, '0', out);
    case 'm':
      return AppendDigits(moment.month, 2, '0', out);
    case 'd':
      return AppendDigits(moment.day, 2, '0', out);
    case 'e':
      return AppendDigits(moment.day, 2, ' ', out);
    case 'H':
      return AppendDigits(moment.hour, 2, '0', out);
    case 'I':
      return AppendDigits((moment.hour + 11) % 12 + 1, 2, '0', out);
    case 'M':
      return AppendDigits(moment.minute, 2, '0', out);
    case 'S':
      return AppendDigits(moment.second, 2, '0', out);
    case 'f':
      return AppendDigits(moment.microsecond, 6, '0', out);
    case 'j':
      return AppendDigits(moment.day_of_year, 3, '0', out);
    case 'p':
      out->append(moment.hour < 12 ? "AM" : "PM");
      return;
    case 'a':
      out->append(kDays[static_cast<size_t>(moment.weekday)].substr(0, 3));
      return;
    case 'A':
      out->append(kDays[static_cast<size_t>(moment.weekday)]);
      return;
    case 'b':
      out->append(kMonths[static_cast<size_t>(moment.month - 1)].substr(0, 3));
      return;
    case 'B':
      out->append(kMonths[static_cast<size_t>(moment.month - 1)]);
      return;
    default:
      out->append(piece.text);
  }
}

struct FormatState : cp::KernelState {
  explicit FormatState(std::vector<Piece> given) : pieces(std::move(given)) {}
  std::vector<Piece> pieces;
};

arrow::Result<std::unique_ptr<cp::KernelState>> InitFormat(cp::KernelContext* /*context*/,
                                                           const cp::KernelInitArgs& arguments) {
  if (arguments.options == nullptr) return arrow::Status::Invalid("weft_strftime needs StrftimeOptions");
  ARROW_ASSIGN_OR_RAISE(auto pieces, ParseFormat(static_cast<const cp::StrftimeOptions&>(*arguments.options).format));
  return std::make_unique<FormatState>(std::move(pieces));
}

arrow::Status Strftime(cp::KernelContext* context, const cp::ExecSpan& batch, cp::ExecResult* out) {
  const auto& pieces = static_cast<FormatState*>(context->state())->pieces;
  const arrow::TimestampArray moments(batch[0].array.ToArrayData());
  int64_t units_a_second = 1;
  switch (static_cast<const arrow::TimestampType&>(*moments.type()).unit()) {
    case arrow::TimeUnit::SECOND:
      break;
    case arrow::TimeUnit::MILLI:
      units_a_second = 1'000;
      break;
    case arrow::TimeUnit::MICRO:
      units_a_second = 1'000'000;
      break;
    case arrow::TimeUnit::NANO:
      units_a_second = 1'000'000'000;
      break;
  }
  arrow::StringBuilder builder(context->memory_pool());
  ARROW_RETURN_NOT_OK(builder.Reserve(moments.length()));
  std::string text;
  for (int64_t row = 0; row < moments.length(); ++row) {
    if (moments.IsNull(row)) {
      builder.UnsafeAppendNull();
      continue;
    }
    text.clear();
    const Moment moment = MomentOf(moments.Value(row), units_a_second);
    for (const Piece& piece : pieces) AppendPiece(piece, moment, &text);
    ARROW_RETURN_NOT_OK(builder.Append(text));
  }
  ARROW_ASSIGN_OR_RAISE(const auto made, builder.Finish());
  out->value = made->data();
  return arrow::Status::OK();
}

}  // namespace

arrow::Status AddStrftime(cp::FunctionRegistry* registry) {
  static const cp::FunctionDoc doc{"Moments as text", "", {"x"}, "StrftimeOptions", /*options_required=*/true};
  auto function = std::make_shared<cp::ScalarFunction>("weft_strftime", cp::Arity::Unary(), doc);
  cp::ScalarKernel kernel({cp::InputType(arrow::Type::TIMESTAMP)}, arrow::utf8(), Strftime, InitFormat);
  kernel.null_handling = cp::NullHandling::COMPUTED_NO_PREALLOCATE;
  kernel.mem_allocation = cp::MemAllocation::NO_PREALLOCATE;
  ARROW_RETURN_NOT_OK(function->AddKernel(std::move(kernel)));
  return registry->AddFunction(std::move(function), /*allow_overwrite=*/true);
}

}  // namespace weft::kernels
