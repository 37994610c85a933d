/**
 * How far a long call is: a bar, bytes, speed, the time that is left, the tensor at work, and a way out.
 * It exists once for all of them.
 * Screen readers hear a calm sentence now and then, not every step of the bar.
 */

import type { Progress } from 'monoquant';
import { useEffect, useRef, useState } from 'preact/hooks';
import { formatBytes, formatClock, formatRate } from '../../../js/words/format.js';
import type { Headway, Work } from '../work.js';
import { Name } from './name.js';

type StageWords = Partial<Record<Progress['stage'], string>>;

export function WorkProgress({ work, words }: { work: Work; words: StageWords }) {
  const headway = work.headway.value;
  const isRunning = work.isRunning.value;
  const title = headway === undefined ? 'Starting' : (words[headway.stage] ?? 'Working');
  const announced = useCalm(isRunning ? spoken(title, headway) : '');
  return (
    <>
      <p class="hidden" role="status">
        {announced}
      </p>
      {isRunning && (
        <div class="progress">
          <p class="row">
            <strong>{title} …</strong>
            <button type="button" class="button" onClick={() => work.cancel()}>
              Cancel
            </button>
          </p>
          <progress
            aria-label={title}
            max={1}
            {...(headway === undefined ? {} : { value: shareOf(headway) })}
          />
          {headway !== undefined && headway.totalBytes > 0 && <Numbers headway={headway} />}
        </div>
      )}
    </>
  );
}

function Numbers({ headway }: { headway: Headway }) {
  const { bytes, totalBytes, bytesPerSecond, millisecondsLeft, tensor } = headway;
  return (
    <>
      <p class="row numbers">
        <span>
          {formatBytes(bytes)} of {formatBytes(totalBytes)}
        </span>
        <span>{bytesPerSecond === undefined ? '' : formatRate(bytesPerSecond)}</span>
        <span>{millisecondsLeft === undefined ? '' : `${formatClock(millisecondsLeft)} left`}</span>
      </p>
      <p class="numbers at-work">{tensor === '' ? '\u00a0' : <Name name={tensor} />}</p>
    </>
  );
}

function shareOf({ bytes, totalBytes }: Progress): number {
  return totalBytes === 0 ? 0 : bytes / totalBytes;
}

function spoken(title: string, headway: Headway | undefined): string {
  return headway === undefined ? title : `${title}: ${Math.floor(100 * shareOf(headway))} %`;
}

const CALM_MS = 4000;

/** The latest text, at most every few seconds; its first and its end at once. */
function useCalm(text: string): string {
  const [said, say] = useState('');
  const last = useRef(0);
  useEffect(() => {
    const isEdge = text === '' || said === '';
    const wait = isEdge ? 0 : Math.max(0, last.current + CALM_MS - Date.now());
    const timer = setTimeout(() => {
      last.current = Date.now();
      say(text);
    }, wait);
    return () => clearTimeout(timer);
  }, [text, said]);
  return said;
}
