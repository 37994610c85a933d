/**
 * One of the engine's threads in browsers.
 * It exists because not every bundler can follow a worker that starts itself, as Emscripten's glue would.
 * The glue sees by the worker's name that it is one, and waits for the engine.
 */
import threaded from '../wasm/monoquant-mt.mjs';

void threaded({});
