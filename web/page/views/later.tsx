/**
 * A view that comes in a task of its own, after what stands before it is on the screen.
 * It exists for models of tens of thousands of tensors: all views of one at once would keep the page from answering.
 * What is small is there at once.
 */
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Workbench } from '../workbench.js';

/** More tensors than that are many. */
const MANY_TENSORS = 4000;

/** In between, what is there already is painted. */
const FRAME_MS = 20;

/** Turns of the views of a large model. */
export function turnsFor({ model }: Workbench): (turn: number) => number | undefined {
  const isLarge = (model.value?.catalog.tensors.length ?? 0) > MANY_TENSORS;
  return (turn) => (isLarge ? turn : undefined);
}

interface LaterProps {
  /** How many others come before it; undefined: it is small. */
  readonly turn: number | undefined;
  readonly children: ComponentChildren;
}

export function Later({ turn, children }: LaterProps) {
  const [isDue, setDue] = useState(turn === undefined);
  useEffect(() => {
    if (isDue) return;
    const timer = setTimeout(() => setDue(true), FRAME_MS * (1 + (turn ?? 0)));
    return () => clearTimeout(timer);
  }, [isDue, turn]);
  return isDue ? <>{children}</> : null;
}
