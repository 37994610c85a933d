/**
 * Every choice beyond the presets, as far as it means something with the others.
 * It exists apart because most visitors never open it.
 * Options stand in the order of the package's table; what is more than one control has a view of its own.
 */
import { isPossible, type LayerKind, OPTIONS, SECTIONS } from 'monoquant';
import type { ComponentType } from 'preact';
import { useState } from 'preact/hooks';
import {
  chosenSharing,
  isOpen,
  type OptionName,
  SHARINGS,
  type Sharing,
  sharingChanges,
  sharingOf,
} from '../choice.js';
import { CalibrationField } from './calibration-field.js';
import { Select, TextArea } from './field.js';
import { automatic, OptionField } from './option-field.js';
import type { ViewProps } from './view-props.js';

const VIEWS: Partial<Record<OptionName, ComponentType<ViewProps>>> = {
  strategy: SharingField,
  calibration: CalibrationField,
  layers: Kinds,
  ignore: Ignore,
};

const NAMES = Object.values(SECTIONS).flatMap(Object.keys) as readonly OptionName[];

export function MoreOptions({ workbench }: ViewProps) {
  const options = workbench.options.value;
  return (
    <div class="fields">
      {NAMES.map((name) => {
        const View = VIEWS[name];
        if (View === undefined) return <OptionField key={name} workbench={workbench} name={name} />;
        return isOpen(options, name, undefined) && <View key={name} workbench={workbench} />;
      })}
    </div>
  );
}

/** The strategy and the size of groups in one. */
function SharingField({ workbench }: ViewProps) {
  const options = workbench.options.value;
  const effective = workbench.forecast.value.plan?.configuration;
  const shared = effective && sharingOf(effective.strategy, effective.groupSize);
  const needsPacking = effective?.bits === 8 && effective.mode !== 'weights-only';
  return (
    <Select
      label={OPTIONS.strategy.control.label}
      help={needsPacking ? 'Groups of 8-bit weights need inputs that are left alone.' : undefined}
      value={chosenSharing(options)}
      automatic={automatic(shared && sharingWords(shared))}
      options={SHARINGS.map((sharing) => [
        sharing,
        sharingWords(sharing),
        isPossible(options, sharingChanges(sharing)),
      ])}
      onChoose={(sharing) => workbench.change(sharingChanges(sharing))}
    />
  );
}

function sharingWords(sharing: Sharing): string {
  if (sharing === 'tensor') return 'a whole tensor';
  return sharing === 'channel' ? 'an output channel' : `${sharing} weights`;
}

function Kinds({ workbench }: ViewProps) {
  const kinds = workbench.model.value?.catalog.tensors.map(({ kind }) => kind) ?? [];
  const { layers } = workbench.choice.value;
  const effective = workbench.forecast.value.plan?.configuration.layers;
  const selected = new Set(layers ?? effective ?? []);
  const toggle = (kind: LayerKind, isOn: boolean) => {
    if (isOn) selected.add(kind);
    else selected.delete(kind);
    workbench.change({ layers: [...selected] });
  };
  return (
    <fieldset class="field kinds">
      <legend>{OPTIONS.layers.control.label}</legend>
      {[...new Set(kinds)].filter(isQuantizable).map((kind) => (
        <label key={kind}>
          <input
            type="checkbox"
            checked={selected.has(kind)}
            onChange={({ currentTarget }) => toggle(kind, currentTarget.checked)}
          />{' '}
          {kind}
        </label>
      ))}
    </fieldset>
  );
}

/** Kinds that are never more than one-dimensional are no choice. */
function isQuantizable(kind: LayerKind): boolean {
  return kind !== 'norm' && kind !== 'bias';
}

/** Holds what is typed: an empty line is no pattern, but the next one may be about to come. */
function Ignore({ workbench }: ViewProps) {
  const { ignore } = workbench.choice.value;
  const [typed, setTyped] = useState('');
  // What was typed shows only as long as it is what is chosen: for another model it is not.
  const isChosen = JSON.stringify(linesOf(typed)) === JSON.stringify(ignore);
  return (
    <TextArea
      label={OPTIONS.ignore.control.label}
      help={
        <>
          Names of tensors or modules, one a line; <code>*</code> stands for anything,{' '}
          <code>re:</code> begins a regular expression.
        </>
      }
      placeholder="model.layers.0"
      value={isChosen ? typed : ignore.join('\n')}
      onType={(text) => {
        setTyped(text);
        workbench.change({ ignore: linesOf(text) });
      }}
    />
  );
}

function linesOf(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
