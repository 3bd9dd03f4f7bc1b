// The style sheet of report pages: light and dark, wide and narrow, screen and paper.
#pragma once

namespace attune {

inline constexpr const char* kPageStyle = R"css(
:root{--paper:#fff;--panel:#f6f7f9;--ink:#1c2127;--quiet:#5c6672;--line:#e1e5ea;--good:#0b7a55;
--bad:#b3261e;--open:#6b7480;--base:#7b8794;--tuned:#0a62c9;--bm25:#b0720f;--mark:#e8f1fd;
--run0:#0a62c9;--run1:#c4520b;--run2:#0b7a55;--run3:#8a3fb0;--run4:#b0720f;--run5:#0e7c93;
--run6:#b3305f;--run7:#5c6672}
@media (prefers-color-scheme:dark){:root{--paper:#13161a;--panel:#1b2026;--ink:#e7eaee;
--quiet:#9ba6b2;--line:#2d343c;--good:#4ec995;--bad:#ff8377;--open:#98a3af;--base:#98a3af;
--tuned:#6cabff;--bm25:#e2a84b;--mark:#1c2c40;--run0:#6cabff;--run1:#ff9a5c;--run2:#4ec995;
--run3:#cf93ee;--run4:#e2a84b;--run5:#55c8de;--run6:#ff8cb3;--run7:#9ba6b2}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1080px;margin:0 auto;padding:32px 24px}
.run{margin:0;color:var(--quiet);font-size:14px}
h1{margin:4px 0 8px;font-size:30px;line-height:1.2;letter-spacing:-.01em;text-wrap:balance}
h1.better{color:var(--good)}h1.worse{color:var(--bad)}
h2{margin:0 0 12px;font-size:20px;line-height:1.3}
h3{margin:24px 0 8px;font-size:15px}
p{margin:0 0 12px;max-width:76ch}
.lead{font-size:17px;line-height:1.5}
.quiet,.note{color:var(--quiet)}.note{font-size:13.5px}
a{color:var(--tuned)}
code{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;
overflow-wrap:anywhere}
nav{margin:28px 0 0;padding:10px 0;border-top:1px solid var(--line);border-bottom:1px solid
var(--line);font-size:14px;line-height:1.9}
nav a{margin-right:16px;text-decoration:none;white-space:nowrap}
nav a:hover{text-decoration:underline}
section{padding:32px 0 8px;border-bottom:1px solid var(--line)}
section:last-child{border-bottom:0}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(220px,1fr));gap:12px;margin:20px 0}
.tile{padding:12px 16px 14px;background:var(--panel);border-radius:8px}
.tile h3{margin:0 0 2px;color:var(--quiet);font-size:13px;font-weight:500}
.tile strong{display:block;font-size:22px;line-height:1.3;font-weight:600;
font-variant-numeric:tabular-nums}
.tile p{margin:2px 0 0;color:var(--quiet);font-size:13.5px;line-height:1.45}
.findings{margin:0;padding:0;list-style:none}
.findings li{margin:0 0 10px;padding:10px 16px;border-left:3px solid var(--open);
background:var(--panel);border-radius:0 8px 8px 0}
.findings li.grave{border-color:var(--bad)}
.findings b{display:block}
.findings span{display:block;color:var(--quiet);font-size:14px}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));
gap:20px 28px}
figure{margin:0 0 12px;min-width:0;max-width:520px}
.beside{display:flex;flex-wrap:wrap;align-items:flex-start;gap:12px 32px}
.beside>div{min-width:0;max-width:100%}.beside>figure{flex:1 1 300px}
figcaption{font-weight:600;font-size:14px}
svg{display:block;width:100%;height:auto}
svg text{font-size:11.5px;fill:var(--quiet);font-variant-numeric:tabular-nums}
.grid{stroke:var(--line)}.axis{stroke:var(--open)}
.curve{fill:none;stroke-width:2;stroke-linejoin:round;stroke:var(--c)}
.curve.faint{stroke-width:1;opacity:.35}
.dot{fill:var(--c)}.area{fill:var(--c);fill-opacity:.22;stroke:var(--c);stroke-width:1.5}
.base{--c:var(--base)}.tuned{--c:var(--tuned)}.bm25{--c:var(--bm25)}
.run0{--c:var(--run0)}.run1{--c:var(--run1)}.run2{--c:var(--run2)}.run3{--c:var(--run3)}
.run4{--c:var(--run4)}.run5{--c:var(--run5)}.run6{--c:var(--run6)}.run7{--c:var(--run7)}
.legend{margin:2px 0 4px;color:var(--quiet);font-size:13px}
.key{display:inline-block;margin-right:12px}
.swatch{display:inline-block;width:10px;height:10px;margin-right:5px;border-radius:2px;
background:var(--c)}
.bar{width:150px;--c:var(--open)}.bar.good{--c:var(--good)}.bar.bad{--c:var(--bad)}
.zero{stroke:var(--open);stroke-dasharray:2 2}.range{stroke:var(--c);stroke-width:2.5}
.bar circle{fill:var(--c)}
.scroll{overflow-x:auto;margin:0 0 12px}
table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums}
th,td{padding:5px 20px 5px 0;text-align:left;vertical-align:middle;
border-bottom:1px solid var(--line)}
th{color:var(--quiet);font-weight:500;white-space:nowrap}
td:first-child{min-width:84px;overflow-wrap:break-word}
td code{overflow-wrap:anywhere}
#slices td:first-child{width:230px}
.number{text-align:right;white-space:nowrap}
td.number+td,th.number+th{padding-left:4px}
details{margin:0 0 12px}summary{cursor:pointer;color:var(--quiet);font-size:14px}
details[open]>summary{margin-bottom:10px}
.question{margin:0 0 14px;border:1px solid var(--line);border-radius:8px}
.question>summary{padding:10px 14px;color:var(--ink);font-size:15px;overflow-wrap:anywhere}
.question[open]>summary{border-bottom:1px solid var(--line);margin:0}
.question summary bdi{font-weight:600}
.moved{display:inline-block;margin-left:8px;color:var(--quiet);font-size:13px;white-space:nowrap}
.moved.up{color:var(--good)}.moved.down{color:var(--bad)}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,320px),1fr));gap:0 24px;
padding:10px 14px}
.pair h4{margin:0 0 4px;font-size:13px;color:var(--quiet);font-weight:500}
.pair ol{margin:0 0 6px;padding:0;list-style:none}
.pair li{padding:6px 8px;border-radius:6px;font-size:13.5px;line-height:1.45;
overflow-wrap:anywhere;white-space:pre-line}
.pair li.right{background:var(--mark)}
.pair li b{margin-right:6px;font-variant-numeric:tabular-nums}
.cut{color:var(--quiet);font-size:12.5px}
footer{max-width:1080px;margin:0 auto;padding:0 24px 40px;color:var(--quiet);font-size:13px}
@media (max-width:560px){main{padding:20px 16px}h1{font-size:25px}.lead{font-size:16px}
.tiles{grid-template-columns:1fr 1fr;gap:8px}.tile{padding:10px 12px}.tile strong{font-size:18px}
.bar{width:84px}table{font-size:13px}th,td{padding-right:10px}footer{padding:0 16px 32px}}
@media print{nav{display:none}section{break-inside:avoid-page}}
)css";

}  // namespace attune
