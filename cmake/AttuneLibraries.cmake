# System libraries outside torch. Static archives where the system has them, so that binaries travel.
find_package(Threads REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(ZLIB REQUIRED)

# attune_library(NAME HEADER LIBRARY): an imported target attune::NAME. What is linked statically stays inside
# (hazard 2): two copies of a library in one process must not see each other's symbols.
function(attune_library name header library)
  find_path(${name}_INCLUDE ${header} REQUIRED)
  find_library(${name}_LIBRARY NAMES lib${library}.a ${library} REQUIRED)
  add_library(attune::${name} UNKNOWN IMPORTED)
  set_target_properties(attune::${name} PROPERTIES
    IMPORTED_LOCATION ${${name}_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${${name}_INCLUDE})
  target_link_options(attune::${name} INTERFACE -Wl,--exclude-libs,lib${library}.a)
endfunction()

attune_library(yaml yaml-cpp/yaml.h yaml-cpp)
attune_library(gumbo gumbo.h gumbo)        # HTML5 parser
attune_library(cmark_gfm_extensions cmark-gfm-core-extensions.h cmark-gfm-extensions)
attune_library(cmark_gfm cmark-gfm.h cmark-gfm)  # Markdown with tables
attune_library(utf8proc utf8proc.h utf8proc)
attune_library(nettle nettle/sha2.h nettle)
attune_library(sqlite sqlite3.h sqlite3)

find_path(hnswlib_INCLUDE hnswlib/hnswlib.h REQUIRED)  # approximate nearest neighbours; headers alone

# libcurl (core/http_client.cpp) and libpq (core/postgres.cpp) are opened when they are first needed and never linked:
# headers alone.
find_path(curl_INCLUDE curl/curl.h PATH_SUFFIXES x86_64-linux-gnu REQUIRED)
add_library(attune::curl_headers INTERFACE IMPORTED)
target_include_directories(attune::curl_headers INTERFACE ${curl_INCLUDE})
find_path(pq_INCLUDE libpq-fe.h PATH_SUFFIXES postgresql REQUIRED)

# spdlog and fmt are used as headers, by core/log.cpp alone (hazard 1).
find_path(spdlog_INCLUDE spdlog/spdlog.h REQUIRED)
find_path(fmt_INCLUDE fmt/format.h REQUIRED)
