/**
 * What the colours of the map mean: bits that are planned, or the range of measured errors.
 */
import { formatDecibels } from '../../../js/words/format.js';
import { ERROR_GRADIENT, FATE_SHADES, FATES, type Fate } from '../map/colours.js';

/** In dB. */
export interface Scale {
  readonly low: number;
  readonly high: number;
}

interface LegendProps {
  readonly scale: Scale | undefined;
  readonly fates: ReadonlySet<Fate>;
  /** Whether the colours are of what is in the file, and not of a plan. */
  readonly isStored: boolean;
}

export function MapLegend({ scale, fates, isStored }: LegendProps) {
  const shown = scale === undefined ? FATES : (['left alone'] as const);
  return (
    <div class="legend">
      {scale !== undefined && (
        <span class="entry">
          {formatDecibels(scale.low)}
          <span class="gradient" aria-hidden="true" style={{ background: ERROR_GRADIENT }} />
          {formatDecibels(scale.high)}
        </span>
      )}
      {shown
        .filter((fate) => fates.has(fate))
        .map((fate) => (
          <span class="entry" key={fate}>
            <span
              class="swatch"
              aria-hidden="true"
              style={{ background: FATE_SHADES[fate].colour }}
            />
            {isStored && fate === 'left alone' ? 'more, or no weights' : fate}
          </span>
        ))}
    </div>
  );
}
