#pragma once
// 120 texts that would do harm if a name became part of a statement: each way out of a literal,
// an identifier or a comment, before each thing that one would do there, and what breaks encodings
// and lines.
#include <array>
#include <string>
#include <vector>

namespace perp::warehouse::test {

inline std::vector<std::string> injection_payloads() {
  std::vector<std::string> out;
  for (const char* way : {"'", "\"", "\\'", "')", "x'));", "1;", "`", "$$"})
    for (const char* act :
         {";DROP TABLE perp_data;--", " OR '1'='1", " OR 1=1--", " UNION SELECT NULL--",
          ";DELETE FROM instruments;--", ";SELECT pg_sleep(9)--", "||(SELECT version())||'",
          ";COPY perp_data TO PROGRAM 'id'--", "/*", ";CREATE ROLE eve SUPERUSER--",
          ";DROP SCHEMA public CASCADE;--", " AND 1=(SELECT 1/0)--",
          ";ALTER TABLE perp_data ADD eve INT--"})
      out.push_back(std::string(way) + act);
  for (const std::string& other :
       {std::string("\xca\xbc OR 1=1"),    // a quote's look-alike
        std::string("\xbf\x27 OR 1=1--"),  // half of a multibyte character eats the backslash
        std::string("a\0'; DROP", 9),      // ends early in C
        std::string("\xc0\xa7 OR 1=1"),    // an overlong quote
        std::string("E'\\047 OR 1=1--"), std::string("U&'\\0027 OR 1=1"), std::string("$1"),
        std::string("{0}"), std::string("%s%n%27"), std::string("a\nb; DROP TABLE perp_data"),
        std::string("\x1b[2J\x1b]0;x\x07"), std::string("=cmd|' /C calc'!A0"),
        std::string("pg_catalog.pg_class"), std::string("perp_data\"--"), std::string(200, '\''),
        std::string("\\copy perp_data to '/tmp/x'")})
    out.push_back(other);
  return out;  // 8 x 13 + 16
}

}  // namespace perp::warehouse::test
