/**
 * A long list of which only the rows in sight are in the page.
 * It exists because thousands of rows make every keystroke slow; rows here are all equally high.
 * Screen readers are told the whole count and each row's place in it: rows that lie where their number says cannot be
 * those of a <table>, so their roles are spelled out.
 */
import type { ComponentChildren, CSSProperties, HTMLAttributes } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

interface WindowedProps<Item> {
  readonly items: readonly Item[];
  readonly label: string;
  /** Above all rows, in sight while they move. */
  readonly head?: ComponentChildren;
  /** With the row's place, counted from 0, and its style, which puts it there. */
  readonly row: (item: Item, index: number, style: CSSProperties) => ComponentChildren;
  readonly role?: 'table' | 'treegrid';
  /** The row that keys are about; it is kept in sight. */
  readonly active?: number;
  /** The id that this row has while it is in the page. */
  readonly activeId?: string;
  readonly onKeyDown?: (event: KeyboardEvent) => void;
}

/** Rows beyond either edge, so that scrolling shows no gaps. */
const MARGIN = 8;
/** Until it has been measured. */
const FIRST_ROW_HEIGHT = 40;

export function Windowed<Item>(props: WindowedProps<Item>) {
  const { items, label, head, row, role = 'table', active, activeId, onKeyDown } = props;
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
  useLayoutEffect(() => {
    const element = box.current;
    if (element === null || active === undefined || document.activeElement !== element) return;
    const headHeight = (element.firstElementChild as HTMLElement | null)?.offsetHeight ?? 0;
    const [from, to] = [active * rowHeight, (active + 1) * rowHeight];
    if (from < element.scrollTop) element.scrollTop = from;
    const visible = element.clientHeight - headHeight;
    if (to > element.scrollTop + visible) element.scrollTop = to - visible;
  }, [active, rowHeight]);
  const first = Math.max(0, Math.floor(top / rowHeight) - MARGIN);
  const end = Math.min(items.length, Math.ceil((top + height) / rowHeight) + MARGIN);
  const attributes: HTMLAttributes<HTMLDivElement> = {
    role,
    'aria-label': label,
    'aria-rowcount': items.length + 1,
    // What scrolls has to be reached by keyboard.
    tabIndex: 0,
    ...(active === undefined ? {} : { 'aria-multiselectable': true }),
    ...(activeId === undefined || items.length === 0 ? {} : { 'aria-activedescendant': activeId }),
    ...(onKeyDown === undefined ? {} : { onKeyDown }),
  };
  return (
    <div class="windowed" ref={box} {...attributes}>
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
