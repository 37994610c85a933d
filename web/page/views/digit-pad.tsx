/**
 * The pad that digits are drawn on, and the image that the model sees of it.
 * It exists because nothing shows sooner what a model is for. Without a pointer, test images stand beside it.
 */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Demonstration } from '../digits/demonstration.js';
import { imageOf, type Point, type Stroke } from '../digits/drawing.js';
import { Pixels } from './digit-images.js';

/** Of the drawing, in pixels of the canvas; the style has it smaller or larger. */
const SIZE = 320;
const PEN = 24;

export function DigitPad({ demonstration }: { readonly demonstration: Demonstration }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [strokes, setStrokes] = useState<readonly Stroke[]>([]);
  const { picture } = demonstration;
  const isDrawn = picture.value?.label === undefined;
  const change = (changed: readonly Stroke[]) => {
    setStrokes(changed);
    const pixels = imageOf(changed);
    if (pixels !== undefined) picture.value = { pixels };
  };
  useEffect(() => {
    if (canvas.current !== null) draw(canvas.current, isDrawn ? strokes : []);
  }, [strokes, isDrawn]);
  const begin = (event: PointerEvent) => {
    const { currentTarget: target } = event;
    if (!(target instanceof HTMLCanvasElement) || event.button !== 0) return;
    target.setPointerCapture(event.pointerId);
    change([...(isDrawn ? strokes : []), [pointOf(target, event)]]);
  };
  const goOn = (event: PointerEvent) => {
    const { currentTarget: target } = event;
    if (!(target instanceof HTMLCanvasElement)) return;
    if (!target.hasPointerCapture(event.pointerId) || strokes.length === 0) return;
    const last = strokes[strokes.length - 1] ?? [];
    change([...strokes.slice(0, -1), [...last, pointOf(target, event)]]);
  };
  return (
    <div class="pad">
      <div class="paper">
        <canvas
          ref={canvas}
          width={SIZE}
          height={SIZE}
          role="img"
          aria-label="A pad to draw on with a pen, a finger or a mouse. Test images are below."
          onPointerDown={begin}
          onPointerMove={goOn}
        />
        {!isDrawn && <p aria-hidden="true">Draw a digit here</p>}
      </div>
      <div class="seen">
        <p class="quiet">The model sees</p>
        <Pixels pixels={picture.value?.pixels} />
        <button
          type="button"
          class="button"
          disabled={!isDrawn}
          onClick={() => {
            setStrokes([]);
            demonstration.show(demonstration.images.value[0]);
          }}
        >
          Clear
        </button>
      </div>
    </div>
  );
}

function pointOf(target: HTMLCanvasElement, { clientX, clientY }: PointerEvent): Point {
  const { left, top, width, height } = target.getBoundingClientRect();
  return { x: ((clientX - left) / width) * SIZE, y: ((clientY - top) / height) * SIZE };
}

function draw(canvas: HTMLCanvasElement, strokes: readonly Stroke[]): void {
  const pen = canvas.getContext('2d');
  if (pen === null) return;
  pen.clearRect(0, 0, SIZE, SIZE);
  pen.lineWidth = PEN;
  pen.lineCap = 'round';
  pen.lineJoin = 'round';
  pen.strokeStyle = getComputedStyle(canvas).color;
  for (const [first, ...others] of strokes) {
    if (first === undefined) continue;
    pen.beginPath();
    pen.moveTo(first.x, first.y);
    // A touch alone is a dot.
    for (const { x, y } of others.length === 0 ? [first] : others) pen.lineTo(x, y);
    pen.stroke();
  }
}
