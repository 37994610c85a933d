/**
 * A word in time where the browser has not enough room for the output.
 * It exists because the end of a long run is a bad moment to learn that.
 * Browsers only estimate: it is a warning, and the run may be tried.
 */
import { useEffect, useState } from 'preact/hooks';
import { formatBytes } from '../../../js/words/format.js';

export function SpaceNotice({ outputBytes }: { outputBytes: number }) {
  const [free, setFree] = useState(Number.POSITIVE_INFINITY);
  useEffect(() => {
    let isGone = false;
    navigator.storage?.estimate?.().then(
      ({ quota, usage }) => {
        if (!isGone && quota !== undefined) setFree(quota - (usage ?? 0));
      },
      // Without an estimate nothing is said.
      () => {},
    );
    return () => {
      isGone = true;
    };
  }, [outputBytes]);
  if (outputBytes <= free) return null;
  return (
    <p class="notice warning" role="status">
      The output takes {formatBytes(outputBytes)}, and this browser keeps {formatBytes(free)} at
      most for this page. Make room on the disk, or leave the private window.
    </p>
  );
}
