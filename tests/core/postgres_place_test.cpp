#include "core/postgres_place.h"

#include <gtest/gtest.h>

#include "tests/support/refusal.h"

namespace attune {
namespace {

TEST(PostgresPlace, TellsServerAndSchema) {
  EXPECT_TRUE(PostgresPlace::is_one("postgres://"));
  EXPECT_FALSE(PostgresPlace::is_one("postgresql:/folder"));
  const PostgresPlace whole =
      PostgresPlace::parse("postgresql://me@host:5/db?a=b@c#it's \"x/y@z\"");
  EXPECT_EQ(whole.url, "postgresql://me@host:5/db?a=b@c");
  EXPECT_EQ(whole.schema, "it's \"x/y@z\"");
  EXPECT_EQ(whole.shown, whole.url + "#" + whole.schema);
  const PostgresPlace short_one = PostgresPlace::parse("postgres:///db");
  EXPECT_EQ(short_one.schema, "attune_index");
  EXPECT_EQ(short_one.shown, "postgres:///db");
}

TEST(PostgresPlace, ShowsNoPassword) {
  for (const std::string password : {"sesame", "ses?me", "ses@me", "ses&me:", ""})
    EXPECT_EQ(PostgresPlace::parse("postgresql://user:" + password +
                                   "@host:1/db?password=sesame&a=1&%70assword=sesame&sslpassword="
                                   "sesame&b=2#x")
                  .shown,
              "postgresql://user@host:1/db?a=1&b=2#x");
  const std::string told = message_of(
      ErrorKind::kConfig, [] { PostgresPlace::parse("postgresql://user:ses#me@host/db"); });
  EXPECT_NE(told.find("%23"), std::string::npos) << told;
  EXPECT_EQ(told.find("ses"), std::string::npos) << told;
}

TEST(PostgresPlace, RefusesWhatIsNoNameOfASchema) {
  for (const std::string& name :
       {std::string(), std::string(64, 'x'), std::string("pg_x"), std::string("\xff")}) {
    const std::string told = message_of(ErrorKind::kConfig, [&] {
      PostgresPlace::parse("postgresql://user:sesame@host/db#" + name);
    });
    EXPECT_NE(told.find("the name of an index"), std::string::npos) << told;
    EXPECT_EQ(told.find("sesame"), std::string::npos) << told;
  }
  message_of(ErrorKind::kConfig,
             [] { PostgresPlace::parse(std::string("postgresql://host/db#a\0b", 24)); });
}

}  // namespace
}  // namespace attune
