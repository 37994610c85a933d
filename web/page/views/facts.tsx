/**
 * Labelled facts, as every card shows them.
 * It exists so that they line up everywhere.
 * A fact without a value is left out.
 */
import type { ComponentChildren } from 'preact';

export type Fact = readonly [label: string, value: ComponentChildren];

export function Facts({ facts }: { facts: readonly (Fact | undefined | false)[] }) {
  const shown = facts.filter((fact): fact is Fact => fact !== undefined && fact !== false);
  return (
    <dl class="facts">
      {shown.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
