// What the allocator does when the engine may grow no more: a failure with a name (js/worker/failure.ts) instead of a
// null pointer, which the glue would write through, or of an abort, which says no reason and prints a line.
addToLibrary({
  $abortOnCannotGrowMemory: () => {
    throw new RangeError('The memory of the engine is used up.');
  },
});
