"""The style of a report's page: the reader's own fonts, colours for light, dark and print."""

from __future__ import annotations

STYLE = """
:root{--ground:#f6f7f9;--card:#fff;--ink:#1d2430;--soft:#5b6675;--line:#dfe3e9;--blue:#2563b8;
--good:#1a7f45;--ill:#c0312b;--unsure:#8a6100;--good-bg:#e3f4e9;--ill-bg:#fbe7e5;
--unsure-bg:#fbf0d6;--fault:#f2a93b;--quiet:#c9d1dc;--watch:#a9c4ea;--mend:#a8d8b9}
@media (prefers-color-scheme:dark){:root{--ground:#12161c;--card:#1b212a;--ink:#e6eaf0;
--soft:#98a4b3;--line:#323b47;--blue:#74a9f5;--good:#63cf8e;--ill:#ff8078;--unsure:#eabc55;
--good-bg:#15362a;--ill-bg:#43201f;--unsure-bg:#3b3015;--fault:#d98f22;--quiet:#3d4856;
--watch:#33527e;--mend:#2c6b4a}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1000px;margin:0 auto;padding:28px 20px 40px}
header,section,dl>div{background:var(--card);border:1px solid var(--line);border-radius:10px}
header{padding:18px 24px 16px;border-left:6px solid var(--tone)}
.good{--tone:var(--good);--tone-bg:var(--good-bg)}
.ill{--tone:var(--ill);--tone-bg:var(--ill-bg)}
.unsure{--tone:var(--unsure);--tone-bg:var(--unsure-bg)}
.over{margin:0;color:var(--soft);font-size:12px;letter-spacing:.08em;text-transform:uppercase}
h1{margin:2px 0 4px;font-size:24px;line-height:1.3;overflow-wrap:anywhere}
h2{margin:0 0 6px;font-size:16px;overflow-wrap:anywhere}
.verdict,.tag{color:var(--tone);background:var(--tone-bg);border-radius:999px;font-weight:600;
white-space:nowrap}
.verdict{font-size:16px;padding:3px 12px;vertical-align:3px;margin-left:6px}
.tag{font-size:12px;padding:1px 9px}
.cause{margin:6px 0 0;font-size:16px;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(165px,1fr));gap:12px;margin:14px 0}
dl>div{padding:12px 16px}
dt{color:var(--soft);font-size:13px}
dd{margin:0;font-size:19px;font-weight:600;font-variant-numeric:tabular-nums}
dd small{display:block;color:var(--soft);font-size:12.5px;font-weight:400;overflow-wrap:anywhere}
section{padding:16px 20px;margin:14px 0}
svg{display:block;width:100%;height:auto;overflow:visible}
.reads{margin:0 0 8px;color:var(--soft);font-size:13.5px;overflow-wrap:anywhere}
.counts{float:right;padding-left:16px}
code,pre{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
code{color:var(--ink)}
pre{overflow:auto;margin:10px 0 0}
.tick{fill:var(--soft);font-size:12px}.name{fill:var(--ink);font-size:12px;font-weight:600}
.grid{stroke:var(--line);stroke-width:1}
.band.fault{fill:var(--fault);opacity:.13}.fault-line{fill:var(--fault)}
.bad{fill:var(--ill);opacity:.06}
.limit{stroke:var(--ill);stroke-width:1.5;stroke-dasharray:6 4}.limit-text{fill:var(--ill)}
.line{fill:none;stroke:var(--blue);stroke-width:2;stroke-linejoin:round}
.dot{fill:var(--blue);opacity:1}.dot.bad{fill:var(--ill);opacity:1}
.gap{fill:none;stroke:var(--soft);stroke-width:1.2}
.mark{fill:none;stroke:var(--ill);stroke-width:2}
.phase{fill:var(--quiet)}.phase.running,.phase.verifying{fill:var(--watch)}
.phase.injecting{fill:var(--fault)}.phase.recovering,.phase.succeeded,.phase.completed{fill:var(--mend)}
.phase.recoveryfailed{fill:var(--ill-bg)}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px}
th{color:var(--soft);font-size:12.5px;font-weight:600;text-align:left}
th,td{padding:5px 14px 5px 0;border-bottom:1px solid var(--line);vertical-align:top;
overflow-wrap:anywhere}
tr:last-child td{border-bottom:0}
td:first-child{min-width:9em}
details summary{cursor:pointer;font-weight:600}
.foot{margin:10px 0 0;color:var(--soft);font-size:12.5px;overflow-wrap:anywhere}
@media (max-width:640px){.counts{float:none;display:block;padding:0}}
@media print{body{background:#fff}section,header{break-inside:avoid}}
""".replace("\n", "")
