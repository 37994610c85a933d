/**
 * The package's functions, the same in every host: each is a call of a model that is open for no longer.
 */
import type { CalibrationInput } from '../api/calibration.js';
import type { Functions } from '../api/functions.js';
import type { ModelOf, Tensors } from '../api/model.js';
import {
  type CompareOptions,
  openingFor,
  type RunOptions,
  resolveOpen,
  resolveValidate,
  type ValidateOptions,
} from '../api/options.js';
import type { OpenOptions } from '../api/plan-options.js';
import type { SearchOptions } from '../api/search-options.js';
import type { SensitivityOptions } from '../api/sensitivity-options.js';
import { throwIfAborted } from './abort.js';
import { ENGINE_TURNS } from './engine-turns.js';
import type { HandleOptions, Host, HostTypes, OpenHandle } from './host.js';
import { WHOLE } from './view.js';

export function functionsOf<Types extends HostTypes>(host: Host<Types>): Functions<Types> {
  type Named = Types['named'];

  async function handleOf(named: Named, options: HandleOptions) {
    const { signal } = options.run;
    throwIfAborted(signal);
    return host.handle(named, await host.openModel(named, signal), options);
  }

  async function withModel<Answer>(
    named: Named,
    options: HandleOptions,
    call: (model: OpenHandle<Types>) => Promise<Answer>,
  ): Promise<Answer> {
    // Before any file is opened, and until the engine is back: it is the next caller's.
    const leave = await ENGINE_TURNS.take(options.run.signal);
    try {
      const model = await handleOf(named, { ...options, hasTurn: true });
      try {
        return await call(model);
      } finally {
        await model.close();
      }
    } finally {
      leave();
    }
  }

  async function openModel(named: Named, options: OpenOptions & RunOptions, joined: boolean) {
    const { run, opening } = resolveOpen(options);
    const model = await handleOf(named, { run, opening, joined });
    try {
      await model.readCatalog(run);
      return model;
    } catch (error) {
      await model.close();
      throw error;
    }
  }

  return {
    open: async (model: Named, options: OpenOptions & RunOptions = {}): Promise<ModelOf<Types>> =>
      openModel(model, options, false),

    load: async (model: Named, options: OpenOptions & RunOptions = {}): Promise<Tensors> =>
      openModel(model, options, true),

    quantize: async (model: Named, options: Types['quantize'] = {}) =>
      withModel(model, openingFor(options), (opened) => opened.quantize(options)),

    convert: async (model: Named, options: Types['convert'] = {}) =>
      withModel(model, openingFor(options), (opened) => opened.convert(options)),

    dequantize: async (model: Named, options: Types['dequantize'] = {}) =>
      withModel(model, openingFor(options), (opened) => opened.dequantize(options)),

    calibrate: async (
      model: Named,
      data: CalibrationInput | readonly CalibrationInput[],
      options: Types['calibrate'] = {},
    ) => withModel(model, openingFor(options), (opened) => opened.calibrate(data, options)),

    sensitivity: async (model: Named, options: SensitivityOptions = {}) =>
      withModel(model, openingFor(options), (opened) => opened.sensitivity(options)),

    search: async (model: Named, options: SearchOptions = {}) =>
      withModel(model, openingFor(options), (opened) => opened.search(options)),

    validate: async (file: Named, options: ValidateOptions<Named> = {}) => {
      // `key` and `stripPrefix` are about the reference.
      const { run } = resolveValidate(options);
      return withModel(file, { run, opening: WHOLE }, (opened) => opened.validate(options));
    },

    compare: async (first: Named, second: Named, options: CompareOptions = {}) =>
      withModel(first, openingFor(options), (opened) => opened.compare(second, options)),

    distribution: async (
      first: Named,
      second: Named,
      tensor: string,
      options: CompareOptions = {},
    ) =>
      withModel(first, openingFor(options), (opened) =>
        opened.distribution(second, tensor, options),
      ),
  };
}
