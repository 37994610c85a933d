/**
 * The question before something is lost.
 * It exists as a dialog because nothing else should be done before it is answered.
 * The answer that loses nothing has the focus, and Escape means it.
 */
import { useEffect, useRef } from 'preact/hooks';
import type { ViewProps } from './view-props.js';

export function QuestionDialog({ workbench }: ViewProps) {
  const { questions } = workbench;
  const question = questions.asked.value;
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (question !== undefined && dialog.current?.open === false) dialog.current.showModal();
  }, [question]);
  if (question === undefined) return null;
  const { what, lost } = question;
  return (
    <dialog
      ref={dialog}
      class="dialog"
      aria-labelledby="question-title"
      onCancel={() => questions.answer(false)}
    >
      <h2 id="question-title">Not saved yet: {lost.join(', ')}</h2>
      <p>To {what} removes it from this device for good.</p>
      <div class="buttons">
        <button
          type="button"
          class="button primary"
          autofocus
          onClick={() => questions.answer(false)}
        >
          Keep it
        </button>
        <button type="button" class="button" onClick={() => questions.answer(true)}>
          Go on without it
        </button>
      </div>
    </dialog>
  );
}
