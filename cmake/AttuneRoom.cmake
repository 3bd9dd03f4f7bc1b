# One static library per room, made of every source beside its CMakeLists.txt:
#   attune_room(data DEPENDS attune_core LIBRARIES gumbo)
# FILES: a part of a room as a library of its own (what the small program links without torch);
# WITHOUT: the room's sources that are in such a part.
function(attune_room name)
  cmake_parse_arguments(ROOM "" "" "DEPENDS;LIBRARIES;FILES;WITHOUT" ${ARGN})
  set(sources ${ROOM_FILES})
  if(NOT sources)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
    list(TRANSFORM ROOM_WITHOUT PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
    list(REMOVE_ITEM sources ${ROOM_WITHOUT})
  endif()
  add_library(attune_${name} STATIC ${sources})
  target_include_directories(attune_${name} PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/include)
  target_link_libraries(attune_${name} PUBLIC ${ROOM_DEPENDS} ${ROOM_LIBRARIES} PRIVATE attune_flags)
endfunction()

# Warnings, sanitizers and debug information of our own targets.
add_library(attune_flags INTERFACE)
target_compile_options(attune_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wno-psabi -g1>
  # g++ 12 warns of strings that are put together (GCC bug 105651).
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>)
if(ATTUNE_SANITIZE)
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${ATTUNE_SANITIZE}>
                      $<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize-recover=all>)
  add_link_options(-fsanitize=${ATTUNE_SANITIZE})
endif()
