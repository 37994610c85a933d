/**
 * Three pictures of what happens to weights here, for those who come without knowing.
 * It exists because the names of formats say nothing to most visitors.
 * Drawn as graphics that follow the colours of the page.
 */

/** Weights of one row, between -1 and 1. */
const WEIGHTS = [0.08, -0.21, 0.47, 0.9, -0.62, 0.3, -0.05, 0.55, -0.84, 0.18];

export function Explanation() {
  return (
    <ul class="explained" aria-label="How it works">
      <li>
        <Picture levels={undefined} />
        <h2>Weights are numbers</h2>
        <p>A model is millions of them, each stored in 16 or 32 bits.</p>
      </li>
      <li>
        <Picture levels={4} />
        <h2>Fewer steps, fewer bits</h2>
        <p>Each row gets a scale, and each weight the nearest of 256 or of 16 steps.</p>
      </li>
      <li>
        <Sizes />
        <h2>A quarter, an eighth</h2>
        <p>You see what every layer loses before you save, and how to load the file.</p>
      </li>
    </ul>
  );
}

function Picture({ levels }: { levels: number | undefined }) {
  const of = (value: number) =>
    levels === undefined ? value : Math.round(value * levels) / levels;
  const steps = levels === undefined ? [] : Array.from({ length: 2 * levels + 1 }, (_, n) => n);
  return (
    <svg viewBox="0 0 200 90" aria-hidden="true">
      {steps.map((step) => (
        <line key={step} x1="6" x2="194" y1={7 + step * 9.5} y2={7 + step * 9.5} class="step" />
      ))}
      {WEIGHTS.map((value, index) => {
        const height = Math.abs(of(value)) * 38;
        const y = of(value) > 0 ? 45 - height : 45;
        return (
          <rect key={value} x={10 + index * 18.5} width="12" y={y} height={height} class="weight" />
        );
      })}
      <line x1="6" x2="194" y1="45" y2="45" class="axis" />
    </svg>
  );
}

function Sizes() {
  const bars = [
    ['F32', 184],
    ['INT8', 46],
    ['INT4', 24],
  ] as const;
  return (
    <svg viewBox="0 0 200 90" aria-hidden="true">
      {bars.map(([label, width], index) => (
        <g key={label}>
          <rect
            x="6"
            y={6 + index * 28}
            width={width}
            height="20"
            class={index === 0 ? 'float' : 'weight'}
          />
          <text
            x={index === 0 ? 12 : width + 12}
            y={20.5 + index * 28}
            class={index === 0 ? 'inside' : ''}
          >
            {label}
          </text>
        </g>
      ))}
    </svg>
  );
}
