// Writing JSON as Python does (core/json.h).
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"

namespace attune {
namespace {

void append_escaped(std::string& out, unsigned unit) {
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += "0123456789abcdef"[(unit >> shift) & 15];
}

void append_string(std::string& out, const std::string& text) {
  if (const std::size_t bad = find_invalid_utf8(text); bad != std::string::npos)
    throw_error(ErrorKind::kData, "cannot write a string as JSON: invalid UTF-8 at its byte ", bad);
  out += '"';
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = [&](std::size_t k) { return static_cast<unsigned char>(text[i + k]); };
    const unsigned lead = byte(0);
    if (lead < 0x80) {
      switch (lead) {
        case '"':
          out += "\\\"";
          break;
        case '\\':
          out += "\\\\";
          break;
        case '\n':
          out += "\\n";
          break;
        case '\r':
          out += "\\r";
          break;
        case '\t':
          out += "\\t";
          break;
        case '\b':
          out += "\\b";
          break;
        case '\f':
          out += "\\f";
          break;
        default:
          if (lead >= 0x20 && lead < 0x7f) {
            out += static_cast<char>(lead);
          } else {
            append_escaped(out, lead);
          }
      }
      i += 1;
    } else if (lead < 0xe0) {
      append_escaped(out, (lead & 0x1f) << 6 | (byte(1) & 0x3f));
      i += 2;
    } else if (lead < 0xf0) {
      append_escaped(out, (lead & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f));
      i += 3;
    } else {
      const unsigned code = ((lead & 0x07) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 |
                             (byte(3) & 0x3f)) -
                            0x10000;
      append_escaped(out, 0xd800 + (code >> 10));
      append_escaped(out, 0xdc00 + (code & 0x3ff));
      i += 4;
    }
  }
  out += '"';
}

// float.__repr__: the shortest digits that read back equal; an exponent below 1e-4 and from 1e16
// on.
void append_double(std::string& out, double value) {
  if (!std::isfinite(value))
    throw_error(ErrorKind::kFailed, "cannot write ", value, " as JSON: it has only finite numbers");
  std::array<char, 32> buffer;
  const auto scientific = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                        std::chars_format::scientific);
  std::string_view text(buffer.data(), static_cast<std::size_t>(scientific.ptr - buffer.data()));
  if (text.front() == '-') {
    out += '-';
    text.remove_prefix(1);
  }
  const std::size_t e = text.find('e');
  int exponent = 0;
  const std::size_t digits_at = e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(text.data() + digits_at, text.data() + text.size(), exponent);
  if (exponent < -4 || exponent >= 16) {  // to_chars and Python agree on mantissa and exponent
    out += text;
    return;
  }
  std::string digits(text.substr(0, e));
  std::erase(digits, '.');
  if (exponent < 0) {
    out += "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
    return;
  }
  const auto whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= whole) {
    out += digits + std::string(whole - digits.size(), '0') + ".0";
  } else {
    out += digits.substr(0, whole) + "." + digits.substr(whole);
  }
}

void append_value(std::string& out, const Json& value, int indent, int depth);

// `each(i)` appends member i.
template <class Each>
void append_container(std::string& out, const char* brackets, std::size_t size, int indent,
                      int depth, const Each& each) {
  const auto new_line = [&](int levels) {
    if (indent < 0) return;
    out += '\n';
    out.append(static_cast<std::size_t>(indent) * static_cast<std::size_t>(levels), ' ');
  };
  out += brackets[0];
  for (std::size_t i = 0; i < size; ++i) {
    if (i > 0) out += indent < 0 ? ", " : ",";
    new_line(depth + 1);
    each(i);
  }
  if (size > 0) new_line(depth);
  out += brackets[1];
}

void append_value(std::string& out, const Json& value, int indent, int depth) {
  switch (value.type()) {
    case Json::value_t::null:
      out += "null";
      break;
    case Json::value_t::boolean:
      out += value.get<bool>() ? "true" : "false";
      break;
    case Json::value_t::number_integer:
      out += std::to_string(value.get<std::int64_t>());
      break;
    case Json::value_t::number_unsigned:
      out += std::to_string(value.get<std::uint64_t>());
      break;
    case Json::value_t::number_float:
      append_double(out, value.get<double>());
      break;
    case Json::value_t::string:
      append_string(out, value.get_ref<const std::string&>());
      break;
    case Json::value_t::array:
      append_container(out, "[]", value.size(), indent, depth,
                       [&](std::size_t i) { append_value(out, value[i], indent, depth + 1); });
      break;
    case Json::value_t::object: {
      const auto& members = value.get_ref<const Json::object_t&>();
      append_container(out, "{}", members.size(), indent, depth, [&](std::size_t i) {
        const auto& [key, member] = *(members.begin() + static_cast<std::ptrdiff_t>(i));
        append_string(out, key);
        out += ": ";
        append_value(out, member, indent, depth + 1);
      });
      break;
    }
    default:
      ATTUNE_ASSERT(!"a JSON value of a kind that JSON does not have");
  }
}

}  // namespace

std::string dump_json_like_python(const Json& value, int indent) {
  std::string out;
  append_value(out, value, indent, 0);
  return out;
}

}  // namespace attune
