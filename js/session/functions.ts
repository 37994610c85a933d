/**
 * The package's functions, the same in every host: each is a call of a model that is open for no longer.
 */
import type { CalibrationInput } from '../api/calibration.js';
import type { ModelOf, Tensors } from '../api/model.js';
import {
  type CalibrateOptions,
  type CompareOptions,
  type Opening,
  type QuantizeRequest,
  type RunOptions,
  resolveCalibrate,
  resolveConvert,
  resolveData,
  resolveDequantize,
  resolveOpen,
  resolveQuantize,
  resolveTensor,
  resolveValidate,
  type ValidateOptions,
} from '../api/options.js';
import type { OpenOptions } from '../api/plan-options.js';
import { type Handle, type Host, type HostTypes, WHOLE } from './handle.js';
import { throwIfAborted } from './session.js';

export type FunctionsOf<Types extends HostTypes> = ReturnType<typeof functionsOf<Types>>;

export function functionsOf<Types extends HostTypes>(host: Host<Types>) {
  type Named = Types['named'];

  async function handleOf(named: Named, opening: Opening, run: RunOptions, joined = false) {
    throwIfAborted(run.signal);
    return host.handle(named, await host.openModel(named), { opening, run, joined });
  }

  async function withModel<Answer>(
    named: Named,
    opening: Opening,
    run: RunOptions,
    call: (model: Handle<Types>) => Promise<Answer>,
  ): Promise<Answer> {
    const model = await handleOf(named, opening, run);
    try {
      return await call(model);
    } finally {
      await model.close();
    }
  }

  async function openModel(named: Named, options: OpenOptions & RunOptions, joined: boolean) {
    const { run, opening } = resolveOpen(options);
    const model = await handleOf(named, opening, run, joined);
    try {
      await model.readCatalog(run);
      return model;
    } catch (error) {
      await model.close();
      throw error;
    }
  }

  const write = (named: Named, request: QuantizeRequest) =>
    withModel(named, request.configuration, request.run, (model) => model.write(request));

  return {
    open: async (model: Named, options: OpenOptions & RunOptions = {}): Promise<ModelOf<Types>> =>
      openModel(model, options, false),

    load: async (model: Named, options: OpenOptions & RunOptions = {}): Promise<Tensors> =>
      openModel(model, options, true),

    quantize: async (model: Named, options: Types['quantize'] = {}) =>
      write(model, resolveQuantize(options, host.hasPaths)),

    convert: async (model: Named, options: Types['convert'] = {}) =>
      write(model, resolveConvert(options, host.hasPaths)),

    dequantize: async (model: Named, options: Types['dequantize'] = {}) =>
      write(model, resolveDequantize(options, host.hasPaths)),

    calibrate: async (
      model: Named,
      data: CalibrationInput | readonly CalibrationInput[],
      options: CalibrateOptions = {},
    ) => {
      const request = resolveCalibrate(options);
      const inputs = resolveData(data);
      const { opening, run } = request;
      return withModel(model, opening, run, (opened) => opened.calibrateAs(inputs, request));
    },

    validate: async (file: Named, options: ValidateOptions<Named> = {}) => {
      const request = resolveValidate(options);
      return withModel(file, WHOLE, request.run, (model) => model.validateAs(request));
    },

    compare: async (first: Named, second: Named, options: CompareOptions = {}) => {
      const { run, opening } = resolveOpen(options);
      return withModel(first, opening, run, (model) => model.compare(second, options));
    },

    distribution: async (
      first: Named,
      second: Named,
      tensor: string,
      options: CompareOptions = {},
    ) => {
      const { run, opening } = resolveOpen(options);
      const name = resolveTensor(tensor);
      return withModel(first, opening, run, (model) => model.distribution(second, name, options));
    },
  };
}
