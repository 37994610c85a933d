/**
 * What the page does with the window around it: its title, its address, the question before it is left, files that it
 * was opened with, word of the end of a long run.
 * It exists as one place because all of it follows from the workbench and shows nothing in the page itself.
 */
import { effect } from '@preact/signals';
import { fragmentOf } from './fragment.js';
import type { Workbench } from './workbench.js';

const TITLE = 'monoquant';
/** Whoever has waited that long has gone to do something else. */
const LONG_MS = 15_000;

export function followInWindow(workbench: Workbench): void {
  effect(() => {
    document.title = titleOf(workbench);
  });
  effect(() => {
    const fragment = fragmentOf(workbench.choice.value);
    const { pathname, search } = location;
    history.replaceState(null, '', `${pathname}${search}${fragment === '' ? '' : `#${fragment}`}`);
  });
  effect(() => {
    // A page that has nothing to lose is left without a word, and may be kept by the browser for the way back.
    if (workbench.unsaved.length > 0) addEventListener('beforeunload', askToStay);
    else removeEventListener('beforeunload', askToStay);
  });
  tellEnds(workbench);
  window.launchQueue?.setConsumer(({ files = [] }) => {
    if (files.length === 0) return;
    void Promise.all(files.map((file) => file.getFile())).then((found) =>
      workbench.waysIn.openFiles(found),
    );
  });
}

function askToStay(event: BeforeUnloadEvent): void {
  event.preventDefault();
}

function titleOf({ model, waysIn: { opening }, quantizing, outcome }: Workbench): string {
  if (opening.value !== undefined) return `Opening ${opening.value} · ${TITLE}`;
  const name = model.value?.name;
  if (name === undefined) return `${TITLE}: make model weights small, in the browser`;
  if (quantizing.isRunning.value) {
    const { stage = 'encode', fraction = 0 } = quantizing.headway.value ?? {};
    const percent = stage === 'encode' ? Math.floor(100 * fraction) : undefined;
    return `${percent === undefined ? '…' : `${percent} %`} · ${name} · ${TITLE}`;
  }
  return outcome.value === undefined ? `${name} · ${TITLE}` : `Done · ${name} · ${TITLE}`;
}

/** Where the visitor has allowed it. */
function tellEnds({ quantizing, model }: Workbench): void {
  let begin: number | undefined;
  effect(() => {
    if (quantizing.isRunning.value) {
      begin ??= performance.now();
      return;
    }
    const long = begin !== undefined && performance.now() - begin >= LONG_MS;
    begin = undefined;
    if (!long || quantizing.wasCancelled.peek() || !document.hidden) return;
    if (!('Notification' in window) || Notification.permission !== 'granted') return;
    const failed = quantizing.fault.peek() !== undefined;
    const name = model.peek()?.name ?? 'The model';
    try {
      new Notification(failed ? 'The run failed' : 'The run is done', { body: name, tag: TITLE });
    } catch {
      // Some phones show none that a page makes itself.
    }
  });
}
