/**
 * The name of a tensor, on one line.
 * It exists because names are long and differ at their ends: what does not fit is cut in the middle.
 * Names come from files: controls are spelled out, and the direction of the line stays. Screen readers get it whole.
 */
import { printableName } from '../../../js/words/printable.js';

/** Characters at the end that are always shown. */
const TAIL = 22;

/** `whole`: what screen readers are told, if `name` is only its end. */
export function Name({ name, whole = name }: { name: string; whole?: string }) {
  const text = printableName(name);
  const cut = Math.max(0, text.length - TAIL);
  return (
    <bdi class="name" dir="ltr">
      <span class="hidden">{printableName(whole)}</span>
      <span class="head" aria-hidden="true">
        {text.slice(0, cut)}
      </span>
      <span class="tail" aria-hidden="true">
        {text.slice(cut)}
      </span>
    </bdi>
  );
}
