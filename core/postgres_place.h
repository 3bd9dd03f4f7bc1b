// The place of an index in PostgreSQL: postgresql://USER@HOST:PORT/DATABASE?OPTIONS#INDEX.
#pragma once

#include <string>
#include <string_view>

namespace attune {

struct PostgresPlace {
  std::string url;  // for libpq
  // The place without its password, for messages; it is good for commands where PGPASSWORD or
  // ~/.pgpass has that.
  std::string shown;
  std::string schema;  // INDEX, without it "attune_index"

  static bool is_one(std::string_view place);
  // Of a place that is_one(). Error{kConfig}: an INDEX that can be no schema's name, or a # in what
  // stands before the @.
  static PostgresPlace parse(const std::string& place);
};

}  // namespace attune
