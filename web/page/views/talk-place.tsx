/**
 * The place for talking to a language model, if the one that is open can talk.
 */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { formatBytes, formatPlural } from '../../../js/words/format.js';
import type { OpenModel } from '../open-model.js';
import { mayTalk, type Speaker, TALK_FORMATS, Talk, type TalkFormat } from '../talk/talk.js';
import { Select } from './field.js';
import { FaultNotice } from './notice.js';
import type { ViewProps } from './view-props.js';
import { WorkProgress } from './work-progress.js';

export function TalkPlace({ workbench }: ViewProps) {
  const model = workbench.model.value;
  if (model === undefined || !mayTalk(model)) return null;
  return <TalkCard model={model} key={model.handle} />;
}

function TalkCard({ model }: { readonly model: OpenModel }) {
  const talk = useMemo(() => new Talk(model), [model]);
  useEffect(() => () => talk.end(), [talk]);
  const state = talk.state.value;
  const isOn = state === 'ready' || state === 'answering';
  return (
    <section class="card talk" aria-labelledby="talk-title">
      <h2 id="talk-title">Talk to it</h2>
      {!isOn && <Start talk={talk} />}
      {isOn && <Conversation talk={talk} />}
      <FaultNotice fault={talk.fault.value} title="It does not talk." />
      <FaultNotice fault={talk.making.fault.value} title="No GGUF file could be made of it." />
    </section>
  );
}

interface TalkProps {
  readonly talk: Talk;
}

function Start({ talk }: TalkProps) {
  const [format, setFormat] = useState<TalkFormat>('Q4_K_M');
  const state = talk.state.value;
  return (
    <>
      <p class="quiet">
        The model as it came and the model quantized answer the same question, side by side, in this
        tab. llama.cpp runs them: its 3 MB come from this site when you press the button, and
        nothing is sent.
      </p>
      {state === 'idle' && (
        <div class="talk-start">
          <Select
            label="Quantized to"
            value={format as (typeof TALK_FORMATS)[number]}
            options={TALK_FORMATS.map((each) => [each, each])}
            onChoose={(chosen) => setFormat(chosen ?? 'Q4_K_M')}
          />
          <button type="button" class="button" onClick={() => talk.begin(format)}>
            Make both and start
          </button>
        </div>
      )}
      <WorkProgress
        work={talk.making}
        words={{ encode: 'Writing GGUF', verify: 'Reading it back' }}
      />
      {state === 'loading' && <p role="status">Loading both into llama.cpp …</p>}
    </>
  );
}

function Conversation({ talk }: TalkProps) {
  const [question, setQuestion] = useState('What is the capital of France?');
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    // Whoever pressed the button that is gone goes on here, and nobody else is moved.
    if (document.activeElement === document.body) field.current?.focus({ preventScroll: true });
  }, []);
  const isAnswering = talk.state.value === 'answering';
  const ask = (event: Event) => {
    event.preventDefault();
    if (question.trim() !== '') void talk.ask(question.trim());
  };
  return (
    <>
      <form class="question" onSubmit={ask}>
        <label class="hidden" for="question">
          Question
        </label>
        <input
          id="question"
          ref={field}
          type="text"
          autocomplete="off"
          value={question}
          onInput={({ currentTarget }) => setQuestion(currentTarget.value)}
        />
        <button type="submit" class="button primary" disabled={isAnswering}>
          Ask both
        </button>
        <button type="button" class="button" onClick={() => talk.end()}>
          End
        </button>
      </form>
      <div class="speakers">
        {talk.speakers.value.map((speaker) => (
          <Voice key={speaker.name} speaker={speaker} />
        ))}
      </div>
      <div class="buttons">
        <button type="button" class="button" onClick={() => talk.save()}>
          Save the quantized one
        </button>
      </div>
      <WorkProgress work={talk.saving} words={{ save: 'Saving' }} />
      <FaultNotice fault={talk.saving.fault.value} title="It was not saved." />
      <p class="quiet">
        Both always take the likeliest word, so what differs is due to the weights. They speak one
        after the other, with {formatPlural(talk.threads.value, 'thread')}.
      </p>
    </>
  );
}

function Voice({ speaker }: { readonly speaker: Speaker }) {
  const { name, bytes, text, answer, isSpeaking } = speaker;
  const pace = answer?.tokensPerSecond;
  return (
    <section aria-label={name} aria-busy={isSpeaking}>
      <h3>
        {name} <span class="quiet">{formatBytes(bytes)}</span>
      </h3>
      <p class="words" aria-live="polite">
        {isSpeaking || text !== '' ? text : '…'}
        {isSpeaking && <span aria-hidden="true"> ▍</span>}
      </p>
      <p class="quiet">
        {answer !== undefined && formatPlural(answer.tokens, 'token')}
        {pace !== undefined && `, ${pace < 10 ? pace.toFixed(1) : Math.round(pace)} a second`}
      </p>
    </section>
  );
}
