/**
 * What is in the model: size, types, kinds, and what somebody should be warned of.
 * It exists so that all this is there at once, before anything was chosen.
 * All numbers are the catalog's.
 */
import type { Catalog, Danger } from 'monoquant';
import { useMemo } from 'preact/hooks';
import { countBy } from '../../../js/words/counts.js';
import {
  formatBytes,
  formatCount,
  formatExactBytes,
  formatLargeCount,
  formatPlural,
  formatShare,
} from '../../../js/words/format.js';
import { printable } from '../../../js/words/printable.js';
import { codesWords, FORMAT_WORDS } from '../../../js/words/wording.js';
import { Facts } from './facts.js';
import type { ViewProps } from './view-props.js';

export function ModelCard({ workbench }: ViewProps) {
  const model = workbench.model.value;
  const tensors = model?.catalog.tensors;
  const counts = useMemo(() => countsOf(tensors ?? []), [tensors]);
  if (model === undefined) return null;
  const { catalog, name } = model;
  const { dtypes, stored, kinds, tied } = counts;
  return (
    <section class="card" aria-labelledby="model-title">
      <h2 id="model-title" class="model-name">
        <bdi>{printable(name)}</bdi>
      </h2>
      <Pickle catalog={catalog} workbench={workbench} />
      {model.notOpened.length > 0 && (
        <p class="notice warning">
          Not opened: {model.notOpened.map(printable).join(', ')}. One model is open at a time.
        </p>
      )}
      <Facts
        facts={[
          ['Format', FORMAT_WORDS[catalog.format]],
          catalog.files !== undefined && ['Files', formatCount(catalog.files.length)],
          ['Size', formatExactBytes(catalog.bytes)],
          ['Parameters', formatLargeCount(catalog.parameters)],
          ['Tensors', formatCount(catalog.tensors.length)],
          dtypes.length > 0 && [
            'Types',
            dtypes.map(([dtype, bytes]) => `${dtype} ${formatShare(bytes, stored)}`).join(', '),
          ],
          kinds.length > 0 && [
            'Layers',
            kinds.map(([kind, count]) => `${formatCount(count)} ${kind}`).join(', '),
          ],
          tied.length > 0 && [
            'Tied',
            tied
              .map(({ name, tiedTo }) => `${printable(name)} = ${printable(tiedTo ?? '')}`)
              .join(', '),
          ],
        ]}
      />
      <Parts workbench={workbench} />
      {catalog.problems.map(({ message }) => (
        <p class="notice warning" key={message}>
          {printable(message)}
        </p>
      ))}
      <LeftOut leftOut={catalog.leftOut} />
    </section>
  );
}

function countsOf(tensors: Catalog['tensors']) {
  return {
    dtypes: countBy(
      tensors,
      ({ dtype, quantization }) => (quantization === undefined ? dtype : codesWords(quantization)),
      ({ bytes }) => bytes,
    ),
    stored: tensors.reduce((sum, { bytes }) => sum + bytes, 0),
    kinds: countBy(tensors, ({ kind }) => kind),
    tied: tensors.filter(({ tiedTo }) => tiedTo !== undefined),
  };
}

/** Which part of a checkpoint this is, and the others that could be taken. */
function Parts({ workbench }: ViewProps) {
  const catalog = workbench.model.value?.catalog;
  if (catalog === undefined) return null;
  const { candidates, key, wrapperPrefix } = catalog;
  return (
    <>
      {candidates.length > 1 && (
        <label class="field">
          <span>Part of the file</span>
          <select
            value={key}
            onChange={({ currentTarget }) =>
              workbench.waysIn.reopen({ key: currentTarget.value, stripPrefix: '' })
            }
          >
            {candidates.map((candidate) => (
              <option value={candidate.key} key={candidate.key}>
                {printable(candidate.key) || 'all of it'}:{' '}
                {formatPlural(candidate.tensors, 'tensor')}, {formatBytes(candidate.bytes)}
              </option>
            ))}
          </select>
        </label>
      )}
      {wrapperPrefix !== '' && (
        <p class="notice">
          Names have <code>{printable(wrapperPrefix)}</code> in them, which a wrapper of PyTorch
          left there.{' '}
          <button
            type="button"
            class="link"
            onClick={() => workbench.waysIn.reopen({ stripPrefix: wrapperPrefix })}
          >
            Take it off
          </button>
        </p>
      )}
    </>
  );
}

/** What a pickle names. It is never run here, but elsewhere it might be: so this comes before anything else. */
function Pickle({ catalog, workbench }: ViewProps & { readonly catalog: Catalog }) {
  const { globals, opaque, code } = catalog;
  if (globals.length === 0 && opaque.length === 0 && code.length === 0) return null;
  const named = (danger: Danger) =>
    globals
      .filter((global) => global.danger === danger)
      .map(({ module, name }) => printable(`${module}.${name}`));
  const [dangerous, unknown, safe] = [named('dangerous'), named('unknown'), named('safe')];
  const doubts = [
    ...(unknown.length > 0 ? [`it names ${unknown.join(', ')}, of which nothing is known`] : []),
    ...opaque.map(({ member, reason }) => `${printable(member)} is ${printable(reason)}`),
  ];
  return (
    <>
      {dangerous.length > 0 && (
        <div class="notice error">
          <strong>
            This pickle is not safe to load in Python: it names {dangerous.join(', ')}.
          </strong>
          <p>
            Nothing of it was run here, and what monoquant writes is free of it. Do not open the
            original with <code>torch.load(weights_only=False)</code>.
          </p>
          <ConvertButton workbench={workbench} />
        </div>
      )}
      {doubts.length > 0 && (
        <p class="notice warning">
          Loading this file in Python may run code: {doubts.join('; ')}. Nothing of it was run here,
          and what monoquant writes is free of it. <ConvertButton workbench={workbench} />
        </p>
      )}
      {dangerous.length === 0 && doubts.length === 0 && (
        <p class="notice good">
          Safe to load: this pickle names nothing but what tensors are made of.
        </p>
      )}
      {safe.length > 0 && (
        <details class="quiet">
          <summary>{formatPlural(safe.length, 'harmless name')} in its pickle</summary>
          <p>{safe.join(', ')}</p>
        </details>
      )}
      {code.length > 0 && (
        <details class="quiet">
          <summary>{formatPlural(code.length, 'module')} of TorchScript</summary>
          <p>{code.map(printable).join(', ')}</p>
        </details>
      )}
    </>
  );
}

/** The same values where nothing can run. */
function ConvertButton({ workbench }: ViewProps) {
  return (
    <button
      type="button"
      class="button"
      onClick={() => {
        workbench.activity.value = 'convert';
        workbench.change({ container: undefined });
      }}
    >
      Convert it to .safetensors
    </button>
  );
}

function LeftOut({ leftOut }: Pick<Catalog, 'leftOut'>) {
  if (leftOut.length === 0) return null;
  return (
    <details class="quiet">
      <summary>{formatPlural(leftOut.length, 'part')} left out</summary>
      <ul>
        {leftOut.map(({ name, reason, bytes }) => (
          <li key={name}>
            {printable(name)}: {printable(reason)}
            {bytes > 0 && `, ${formatBytes(bytes)}`}
          </li>
        ))}
      </ul>
    </details>
  );
}
