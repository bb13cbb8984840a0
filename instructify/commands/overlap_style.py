"""How the page of `overlap` looks: light and dark, wide and narrow."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #dde3ea;
  --page: #fbfcfd; --card: #ffffff; --key: #2f6fde; --content: #8a4fd3; --likeness: #c77d1e;
  --bad: #b3392f; --good: #1b7f4b; --fair: #8a6d1a; --track: #eef1f5; --heat-color: #d1453b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9f0; --soft: #9aa6b5; --line: #2c3541;
  --page: #14181e; --card: #1a2028; --key: #6aa0ff; --content: #b78bf0; --likeness: #e0a458;
  --bad: #ef8379; --good: #57c78d; --fair: #d9bd5f; --track: #252d38; --heat-color: #e0574c; } }
* { box-sizing: border-box; }
body { background: var(--page); color: var(--ink); margin: 2rem auto 4rem; max-width: 72rem;
  padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .8rem; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .6rem; }
h3 { font-size: 1.02rem; margin: 0 0 .5rem; overflow-wrap: anywhere; }
small { color: var(--soft); font-weight: 400; font-size: .85em; }
p { max-width: 46rem; } .soft { color: var(--soft); }
b.key { color: var(--key); } b.content { color: var(--content); }
b.likeness { color: var(--likeness); }
.verdict { border-left: 4px solid; padding: .6rem .9rem; background: var(--card);
  border-radius: 0 8px 8px 0; font-size: 1.05rem; font-weight: 600; max-width: none; }
.bad { border-color: var(--bad); } .good { border-color: var(--good); }
.fair { border-color: var(--fair); }
.wide { overflow-x: auto; max-width: 100%; }
table { border-collapse: separate; border-spacing: 0; font-variant-numeric: tabular-nums; }
.matrix th[scope=col] { height: 10.5rem; width: 2.9rem; min-width: 2.9rem; vertical-align: bottom;
  padding: 0; position: relative; }
.matrix th[scope=col] span { position: absolute; bottom: .4rem; left: 55%; white-space: nowrap;
  transform: rotate(-52deg); transform-origin: 0 100%; font-weight: 500; font-size: .85rem; }
.matrix { padding-right: 7rem; }
.matrix thead th:first-child { text-align: left; vertical-align: bottom; color: var(--soft);
  font-weight: 400; font-size: .85rem; padding-bottom: .4rem; }
.matrix th[scope=row] { text-align: left; font-weight: 600; padding: .3rem .8rem .3rem 0; }
.matrix th:first-child { position: sticky; left: 0; background: var(--page); z-index: 1; }
.matrix th[scope=row] small { display: block; line-height: 1.2; }
.matrix td { text-align: center; height: 2.7rem; min-width: 2.9rem; padding: 2px;
  border: 1px solid var(--page); background: var(--track); border-radius: 7px; font-size: .85rem; }
.matrix td.heat { background: color-mix(in srgb, var(--heat-color) var(--heat), var(--track));
  font-weight: 600; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 1rem 1.1rem; margin: 1rem 0; }
ul.bars { list-style: none; margin: 0; padding: 0; }
ul.bars li { display: grid; grid-template-columns: 15rem 1fr 17rem; gap: .8rem;
  align-items: center; padding: .22rem 0; }
.track { display: flex; height: .7rem; border-radius: 4px; overflow: hidden;
  background: var(--track); }
.track i { min-width: 2px; } i.key { background: var(--key); }
i.content { background: var(--content); } i.likeness { background: var(--likeness); }
.told { font-variant-numeric: tabular-nums; font-size: .9rem; }
.mark { border: 1px solid var(--fair); color: var(--fair); border-radius: 9px; font-size: .75rem;
  padding: 0 .45rem; margin-left: .2rem; white-space: nowrap; }
.waiver { border-left: 3px solid var(--fair); padding-left: .7rem; margin: .3rem 0 .7rem;
  font-size: .92rem; }
summary { cursor: pointer; padding: .35rem 0; } details.rest { margin-top: 1.4rem; }
.examples { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr));
  gap: 1rem; margin-top: .5rem; }
.example p { margin: 0 0 .3rem; font-size: .85rem; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: .5rem; align-items: start; }
figure { margin: 0; } img { width: 100%; border-radius: 6px; display: block; }
figcaption { font-size: .75rem; color: var(--soft); overflow-wrap: anywhere; }
.gone { display: grid; place-items: center; aspect-ratio: 4/3; color: var(--soft);
  background: var(--track); border-radius: 6px; font-size: .8rem; }
.list th, .list td { padding: .28rem .8rem .28rem 0; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
.list th { color: var(--soft); font-weight: 600; vertical-align: bottom; font-size: .85rem; }
.list th:first-child, .list td:first-child { text-align: left; }
.rest .list td:nth-child(2), .rest .list th:nth-child(2) { text-align: left; }
.quotes { font-size: .9rem; color: var(--soft); } q { margin-right: .6rem; }
@media (max-width: 46rem) { body { font-size: 14px; margin-top: 1rem; }
  ul.bars li { grid-template-columns: 1fr; gap: .1rem; padding: .4rem 0; }
  .matrix th:first-child { min-width: 6.8rem; max-width: 8.5rem; overflow-wrap: anywhere; }
  section { padding: .8rem; } }
"""
