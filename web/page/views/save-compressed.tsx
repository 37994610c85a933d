/**
 * The way to a compressed file, where that is worth it.
 * It exists because codes of weights often shrink, and nobody should have to try.
 * What compresses is loaded when the button is pressed.
 */
import { useEffect, useState } from 'preact/hooks';
import type { Outcome } from '../outcome.js';
import { saveCompressed } from '../save-compressed.js';
import { leftByCompression } from '../worth.js';

/** Less is not worth unpacking it again. */
const LEAST_SAVED = 0.05;

export function SaveCompressed({ outcome }: { outcome: Outcome }) {
  const [left, setLeft] = useState(1);
  useEffect(() => {
    let isGone = false;
    setLeft(1);
    leftByCompression(outcome.blob).then(
      (found) => {
        if (!isGone) setLeft(found);
      },
      // Where the output cannot be read any more, nothing is offered.
      () => {},
    );
    return () => {
      isGone = true;
    };
  }, [outcome]);
  if (left > 1 - LEAST_SAVED) return null;
  return (
    <button type="button" class="button" onClick={() => saveCompressed(outcome)}>
      Save compressed, about {Math.round(100 * (1 - left))} % smaller
    </button>
  );
}
