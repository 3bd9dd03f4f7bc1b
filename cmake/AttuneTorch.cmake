# LibTorch as imported targets made by hand (docs/build.md, hazards 1, 3, 4 and 9):
#   attune::torch       torch_cpu and c10, and with CUDA also torch_cuda and c10_cuda
# find_package(Torch) is not used: the CUDA wheel's package refuses to configure without a toolkit,
# builds every architecture where it sees no GPU, and puts torch's fmt before the system's.
if(ATTUNE_LIBTORCH)
  set(torch_folder ${ATTUNE_LIBTORCH})
else()
  file(GLOB torch_folder ${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch)
endif()
if(NOT torch_folder OR NOT EXISTS ${torch_folder}/lib/libtorch_cpu.so)
  message(FATAL_ERROR
    "No LibTorch in '${torch_folder}'. Run scripts/setup, which puts the pinned one into .venv, "
    "or give -DATTUNE_LIBTORCH=<folder with lib/libtorch_cpu.so>.")
endif()
list(GET torch_folder 0 torch_folder)

set(torch_version_header ${torch_folder}/include/torch/headeronly/version.h)
if(EXISTS ${torch_version_header})
  file(STRINGS ${torch_version_header} torch_version REGEX "define TORCH_VERSION_(MAJOR|MINOR) ")
  string(REGEX REPLACE ".*MAJOR ([0-9]+).*MINOR ([0-9]+).*" "\\1.\\2" torch_version "${torch_version}")
endif()
if(NOT torch_version STREQUAL "2.11")
  message(WARNING "LibTorch ${torch_version} in ${torch_folder}: attune is tested with 2.11.")
endif()

add_library(attune_torch INTERFACE)
add_library(attune::torch ALIAS attune_torch)
# Hazard 1: behind every other folder, so that the system's fmt, protobuf and json win over torch's.
target_compile_options(attune_torch INTERFACE
  "SHELL:$<$<COMPILE_LANGUAGE:CXX>:-idirafter ${torch_folder}/include>"
  # Hazard 9: without it at::parallel_for is silently serial. The wheel's libgomp has the system's
  # soname, so there is one OpenMP runtime in the process.
  $<$<COMPILE_LANGUAGE:CXX>:-fopenmp>)
target_link_options(attune_torch INTERFACE -fopenmp "-Wl,-rpath,${torch_folder}/lib" "-Wl,--disable-new-dtags")

function(attune_torch_library name)
  add_library(attune_${name} SHARED IMPORTED)
  set_target_properties(attune_${name} PROPERTIES IMPORTED_LOCATION ${torch_folder}/lib/lib${name}.so)
  target_link_libraries(attune_torch INTERFACE attune_${name})
endfunction()
attune_torch_library(torch_cpu)
attune_torch_library(c10)
# torch's own companions (cudart, cupti) are found by torch's rpath at run time, not by our linker.
target_link_options(attune_torch INTERFACE "-Wl,--allow-shlib-undefined")

set(attune_has_cuda FALSE)
if(NOT ATTUNE_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  if(NOT CMAKE_CUDA_COMPILER)  # nvcc of PyPI, installed by scripts/setup beside a driver without a toolkit
    file(GLOB pypi_nvcc ${CMAKE_SOURCE_DIR}/.venv/lib/python3*/site-packages/nvidia/cu13/bin/nvcc)
    find_program(nvcc NAMES nvcc HINTS /usr/local/cuda/bin)
    if(NOT nvcc AND pypi_nvcc)
      set(CMAKE_CUDA_COMPILER ${pypi_nvcc})
    elseif(nvcc)
      set(CMAKE_CUDA_COMPILER ${nvcc})
    endif()
  endif()
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER AND EXISTS ${torch_folder}/lib/libtorch_cuda.so)
    set(attune_has_cuda TRUE)
  elseif(ATTUNE_CUDA STREQUAL "ON")
    message(FATAL_ERROR "ATTUNE_CUDA=ON, but nvcc ('${CMAKE_CUDA_COMPILER}') or libtorch_cuda.so "
                        "('${torch_folder}/lib') is missing.")
  endif()
endif()

if(attune_has_cuda)
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    # Hazard 3: one architecture; the GPU's own where there is one, else Hopper.
    find_program(nvidia_smi nvidia-smi)
    if(nvidia_smi)
      set(CMAKE_CUDA_ARCHITECTURES native)
    else()
      set(CMAKE_CUDA_ARCHITECTURES 90)
    endif()
  endif()
  enable_language(CUDA)
  find_package(CUDAToolkit REQUIRED)
  attune_torch_library(torch_cuda)
  attune_torch_library(c10_cuda)
  target_link_libraries(attune_torch INTERFACE CUDA::cudart)
  target_compile_definitions(attune_torch INTERFACE ATTUNE_WITH_CUDA)
  message(STATUS "attune: CUDA ${CMAKE_CUDA_COMPILER_VERSION}, architectures ${CMAKE_CUDA_ARCHITECTURES}")
else()
  message(STATUS "attune: CPU build (no CUDA toolkit found, or ATTUNE_CUDA=OFF)")
endif()
