# Warnings for our own targets only; a user's compile never inherits them.
function(perp_target_warnings target)
  target_compile_options(${target} PRIVATE
    -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wcast-align -Woverloaded-virtual
    -Wconversion -Wsign-conversion -Wnull-dereference -Wdouble-promotion -Wformat=2 -Wimplicit-fallthrough
    $<$<CXX_COMPILER_ID:GNU>:-Wlogical-op -Wduplicated-cond -Wno-error=null-dereference>
    $<$<BOOL:${PERP_WERROR}>:-Werror>)
  # One answer on every machine: the compiler may not contract a*b+c into a fused operation.
  target_compile_options(${target} PRIVATE -ffp-contract=off)
endfunction()
