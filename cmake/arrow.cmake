# Arrow C++ inside the pyarrow wheel (default), or one that find_package(Arrow) finds (-DWEFT_ARROW=system).
set(WEFT_ARROW wheel CACHE STRING "Where Arrow C++ comes from: wheel or system")
set_property(CACHE WEFT_ARROW PROPERTY STRINGS wheel system)

add_library(weft_arrow INTERFACE)
if(WEFT_ARROW STREQUAL "system")
  find_package(Arrow REQUIRED)
  find_package(Parquet REQUIRED)
  find_package(ArrowCompute REQUIRED)
  find_package(ArrowDataset REQUIRED)
  target_link_libraries(weft_arrow INTERFACE Arrow::arrow_shared ArrowCompute::arrow_compute_shared
    ArrowDataset::arrow_dataset_shared Parquet::parquet_shared)
  set(WEFT_ARROW_VERSION ${ARROW_VERSION})
else()
  find_package(Python 3.11 REQUIRED COMPONENTS Interpreter)
  execute_process(
    COMMAND ${Python_EXECUTABLE} -c
      "import pyarrow, os; print(';'.join([pyarrow.get_include(), os.path.dirname(pyarrow.__file__), pyarrow.__version__]))"
    OUTPUT_VARIABLE weft_arrow_found
    OUTPUT_STRIP_TRAILING_WHITESPACE
    RESULT_VARIABLE weft_arrow_failed)
  if(weft_arrow_failed)
    message(FATAL_ERROR "pyarrow is not installed for ${Python_EXECUTABLE}: pip install pyarrow, or -DWEFT_ARROW=system")
  endif()
  list(GET weft_arrow_found 0 weft_arrow_include)
  list(GET weft_arrow_found 1 WEFT_ARROW_LIBRARY_DIR)
  list(GET weft_arrow_found 2 WEFT_ARROW_VERSION)
  target_include_directories(weft_arrow SYSTEM INTERFACE ${weft_arrow_include})
  foreach(name arrow arrow_compute arrow_acero arrow_dataset parquet)
    file(GLOB library ${WEFT_ARROW_LIBRARY_DIR}/lib${name}.so.*)
    list(FILTER library INCLUDE REGEX "\\.so\\.[0-9]+$")
    if(NOT library)
      message(FATAL_ERROR "${WEFT_ARROW_LIBRARY_DIR} has no lib${name}: Weft needs pyarrow 26 or newer")
    endif()
    target_link_libraries(weft_arrow INTERFACE ${library})
  endforeach()
endif()
message(STATUS "Arrow ${WEFT_ARROW_VERSION} (${WEFT_ARROW})")
