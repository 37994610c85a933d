/**
 * Asks the browser whether the end of a long run may be told, also while another tab is in front.
 * It exists because a model of many gigabytes takes minutes, and nobody watches a bar for so long.
 * The browser asks the visitor; whoever says no is not asked again.
 */
import { useState } from 'preact/hooks';

export function canNotify(): boolean {
  return 'Notification' in window && Notification.permission === 'default';
}

export function NotifyButton() {
  const [isAsked, setAsked] = useState(false);
  if (isAsked) return null;
  return (
    <button
      type="button"
      class="link"
      onClick={() => {
        setAsked(true);
        void Notification.requestPermission();
      }}
    >
      Tell me when it is done
    </button>
  );
}
