/**
 * The files of the demonstration: the classifier of the repository's examples, and the images that it was tested with.
 * It exists apart because they are fetched from this site when somebody asks for them, and never before.
 */
import { load } from 'monoquant';
import model from '../../../examples/digits.safetensors?url';
import images from '../../../examples/digits_test.safetensors?url';
import { SIDE } from './network.js';

export interface TestImage {
  /** SIDE × SIDE grey values, 0 to 1. */
  readonly pixels: Float32Array;
  /** What it shows. */
  readonly label: number;
}

/** Their values stand for 0 to 1. */
const WHITE = 16;

export function digitsModel(): Promise<File> {
  return fetched(model, 'digits.safetensors');
}

export async function testImages(): Promise<readonly TestImage[]> {
  const tensors = await load(await fetched(images, 'digits_test.safetensors'));
  try {
    const pixels = (await tensors.tensor('images')).bytes;
    const labels = (await tensors.tensor('labels')).bytes;
    return Array.from(labels, (label, index) => ({
      label,
      pixels: Float32Array.from(
        pixels.subarray(index * SIDE * SIDE, (index + 1) * SIDE * SIDE),
        (value) => value / WHITE,
      ),
    }));
  } finally {
    await tensors.close();
  }
}

async function fetched(url: string, name: string): Promise<File> {
  const response = await fetch(url).catch(() => undefined);
  if (response?.ok === true) return new File([await response.blob()], name);
  throw new Error(
    `"${name}" did not arrive from this site. The example is fetched when it is opened for the first time; later it is there without a network, too.`,
  );
}
