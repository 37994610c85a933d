/**
 * A long list of which only the rows in sight are in the page.
 * It exists because thousands of rows make every keystroke slow; rows here are all equally high.
 * Screen readers are told the whole count and each row's place in it: rows that lie where their number says cannot be
 * those of a <table>, so their roles are spelled out.
 */
import type { ComponentChildren, CSSProperties } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

interface WindowedProps<Item> {
  readonly items: readonly Item[];
  readonly label: string;
  /** Above all rows, in sight while they move. */
  readonly head?: ComponentChildren;
  /** With the row's place, counted from 0, and its style, which puts it there. */
  readonly row: (item: Item, index: number, style: CSSProperties) => ComponentChildren;
}

/** Rows beyond either edge, so that scrolling shows no gaps. */
const MARGIN = 8;
/** Until it has been measured. */
const FIRST_ROW_HEIGHT = 40;

export function Windowed<Item>({ items, label, head, row }: WindowedProps<Item>) {
  const box = useRef<HTMLDivElement>(null);
  const [{ top, height, rowHeight }, setView] = useState({
    top: 0,
    height: 600,
    rowHeight: FIRST_ROW_HEIGHT,
  });
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null) return;
    // The height of rows is the style's affair: narrow screens have higher ones.
    const measure = () =>
      setView({
        top: element.scrollTop,
        height: element.clientHeight,
        rowHeight:
          Number.parseFloat(getComputedStyle(element).getPropertyValue('--row')) ||
          FIRST_ROW_HEIGHT,
      });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    element.addEventListener('scroll', measure, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', measure);
    };
  }, []);
  const first = Math.max(0, Math.floor(top / rowHeight) - MARGIN);
  const end = Math.min(items.length, Math.ceil((top + height) / rowHeight) + MARGIN);
  return (
    <div
      class="windowed"
      ref={box}
      role="table"
      aria-label={label}
      aria-rowcount={items.length + 1}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keyboard
      tabIndex={0}
    >
      {head}
      <div role="rowgroup" class="rows" style={{ height: `${items.length * rowHeight}px` }}>
        {items.slice(first, end).map((item, offset) => {
          const index = first + offset;
          return row(item, index, { transform: `translateY(${index * rowHeight}px)` });
        })}
      </div>
    </div>
  );
}
