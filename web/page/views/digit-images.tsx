/**
 * Test images to choose from, by pointer or by keyboard, and how an image is shown.
 */
import { useEffect, useRef } from 'preact/hooks';
import type { Demonstration } from '../digits/demonstration.js';
import { SIDE } from '../digits/network.js';

export function TestImages({ demonstration }: { readonly demonstration: Demonstration }) {
  const images = demonstration.images.value;
  const chosen = demonstration.picture.value;
  // One of each digit.
  const firsts = Array.from({ length: 10 }, (_, digit) =>
    images.find(({ label }) => label === digit),
  );
  const at = images.findIndex((image) => image === chosen);
  return (
    <div class="tests" role="group" aria-label="Test images">
      {firsts.map((image, digit) => (
        <button
          type="button"
          key={digit}
          class="plain"
          aria-label={`A test image of ${digit}`}
          aria-pressed={image !== undefined && image === chosen}
          disabled={image === undefined}
          onClick={() => demonstration.show(image)}
        >
          <Pixels pixels={image?.pixels} />
        </button>
      ))}
      <button
        type="button"
        class="button"
        disabled={images.length === 0}
        onClick={() => demonstration.show(images[(at + 1) % images.length])}
      >
        Next image
      </button>
      <p class="quiet" role="status">
        {at >= 0 &&
          chosen !== undefined &&
          `Image ${at + 1} of ${images.length}: a ${chosen.label}`}
      </p>
    </div>
  );
}

/** SIDE × SIDE grey values in the colour of the text. */
export function Pixels({ pixels }: { readonly pixels: Float32Array | undefined }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const pen = canvas.current?.getContext('2d');
    if (canvas.current === null || !pen) return;
    pen.clearRect(0, 0, SIDE, SIDE);
    pen.fillStyle = getComputedStyle(canvas.current).color;
    for (const [at, value] of pixels?.entries() ?? []) {
      pen.globalAlpha = value;
      pen.fillRect(at % SIDE, Math.trunc(at / SIDE), 1, 1);
    }
    pen.globalAlpha = 1;
  }, [pixels]);
  return (
    <span aria-hidden="true">
      <canvas class="pixels" ref={canvas} width={SIDE} height={SIDE} />
    </span>
  );
}
