/**
 * Answers all test images with the weights that it is sent. The first message holds the images.
 */

import { answerOf, classify, type Weights } from './network.js';
import type { Answers } from './testing.js';

interface Scope {
  onmessage: ((event: MessageEvent<readonly Float32Array[] | Weights>) => void) | null;
  postMessage(answers: Answers): void;
}

const scope = globalThis as unknown as Scope;
let images: readonly Float32Array[] = [];

scope.onmessage = ({ data }) => {
  if (Array.isArray(data)) {
    images = data;
    return;
  }
  const weights = data as Weights;
  scope.postMessage(Uint8Array.from(images, (image) => answerOf(classify(weights, image))));
};
