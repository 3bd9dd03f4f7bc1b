# The sentencepiece library, from its PyPI source package (fetched by scripts/setup, pinned in
# requirements/sentencepiece.txt), with its own protobuf-lite:
#   attune::sentencepiece          reads .model files; linked by data
#   attune::sentencepiece_trainer  makes them; linked by tests alone
# Static and hidden (hazard 2): libc10 exports a FLAGS_minloglevel of its own, and each would write over the other's. The
# headers are seen by the sources of the target that links it, never by those that have LibTorch's (which bring another
# google/protobuf).
set(ATTUNE_SENTENCEPIECE "${CMAKE_SOURCE_DIR}/.venv/sources/sentencepiece-0.2.1" CACHE PATH
    "The unpacked source package of sentencepiece")
set(spm ${ATTUNE_SENTENCEPIECE}/sentencepiece)
if(NOT EXISTS ${spm}/src/sentencepiece_processor.cc)
  message(FATAL_ERROR
    "No sentencepiece source in '${ATTUNE_SENTENCEPIECE}'. Run scripts/setup --no-build, which puts the pinned one "
    "into .venv/sources, or give -DATTUNE_SENTENCEPIECE=<folder with sentencepiece/src>.")
endif()
file(STRINGS ${spm}/VERSION.txt spm_version LIMIT_COUNT 1)
if(spm_version VERSION_LESS 0.2.1)
  message(FATAL_ERROR "sentencepiece ${spm_version} in '${ATTUNE_SENTENCEPIECE}': before 0.2.1 a crafted .model "
                      "writes outside its memory (CVE-2026-1260). Run scripts/setup --no-build for the pinned one.")
endif()

# What its own configure step would write.
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/sentencepiece/config.h CONTENT
     "#define VERSION \"${spm_version}\"\n#define PACKAGE_STRING \"sentencepiece\"\n#define INSTALL_DATADIR \"\"\n")

function(attune_sentencepiece_library name)
  add_library(attune_${name} STATIC EXCLUDE_FROM_ALL ${ARGN})
  add_library(attune::${name} ALIAS attune_${name})
  set_target_properties(attune_${name} PROPERTIES CXX_STANDARD 17)
  target_compile_definitions(attune_${name} PRIVATE HAVE_PTHREAD=1 _USE_INTERNAL_STRING_VIEW)
  target_compile_options(attune_${name} PRIVATE -w -g0)  # not our code to clean up or to step through
  target_include_directories(attune_${name} PRIVATE ${CMAKE_BINARY_DIR}/sentencepiece ${spm})
  target_include_directories(attune_${name} SYSTEM PUBLIC
    ${spm}/src ${spm}/src/builtin_pb ${spm}/third_party/protobuf-lite)
  target_link_libraries(attune_${name} PUBLIC Threads::Threads)
  target_link_options(attune_${name} INTERFACE -Wl,--exclude-libs,libattune_${name}.a)
endfunction()

file(GLOB protobuf_lite ${spm}/third_party/protobuf-lite/*.cc)
list(TRANSFORM protobuf_lite REPLACE "^.*/io_win32.cc$" "")
attune_sentencepiece_library(sentencepiece
  ${protobuf_lite}
  ${spm}/third_party/absl/flags/flag.cc
  ${spm}/src/builtin_pb/sentencepiece.pb.cc
  ${spm}/src/builtin_pb/sentencepiece_model.pb.cc
  ${spm}/src/bpe_model.cc
  ${spm}/src/char_model.cc
  ${spm}/src/error.cc
  ${spm}/src/filesystem.cc
  ${spm}/src/model_factory.cc
  ${spm}/src/model_interface.cc
  ${spm}/src/normalizer.cc
  ${spm}/src/sentencepiece_processor.cc
  ${spm}/src/unigram_model.cc
  ${spm}/src/util.cc
  ${spm}/src/word_model.cc)
attune_sentencepiece_library(sentencepiece_trainer
  ${spm}/src/bpe_model_trainer.cc
  ${spm}/src/builder.cc
  ${spm}/src/char_model_trainer.cc
  ${spm}/src/pretokenizer_for_training.cc
  ${spm}/src/sentencepiece_trainer.cc
  ${spm}/src/trainer_factory.cc
  ${spm}/src/trainer_interface.cc
  ${spm}/src/unicode_script.cc
  ${spm}/src/unigram_model_trainer.cc
  ${spm}/src/word_model_trainer.cc)
target_link_libraries(attune_sentencepiece_trainer PUBLIC attune_sentencepiece)
