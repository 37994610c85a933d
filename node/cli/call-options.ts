/**
 * Flags as options of the package's calls.
 * It exists because several commands take the same ones.
 * What was not given is left out, so that the package's own defaults hold.
 */
import type { OpenOptions } from '../../js/api/plan-options.js';
import type { Container } from '../../js/api/types.js';

type Given<Options> = { [Name in keyof Options]?: Exclude<Options[Name], undefined> };

export function withoutUndefined<Options extends object>(options: Options): Given<Options> {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as Given<Options>;
}

/** Which part of the model, under which names. */
export function openOptions(values: {
  readonly key?: string;
  readonly 'strip-prefix'?: string;
}): OpenOptions {
  return withoutUndefined({ key: values.key, stripPrefix: values['strip-prefix'] });
}

/** The kind of file that the name of an output asks for, where it asks for one. */
export function containerOf(output: string): Container | undefined {
  const extension = /\.(safetensors|pt|pth|bin|ckpt)$/i.exec(output)?.[1]?.toLowerCase();
  if (extension === undefined) return undefined;
  return extension === 'safetensors' ? 'safetensors' : 'pt';
}
