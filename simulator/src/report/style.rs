//! How the page looks: light and dark, on paper and on a phone.

/// The page's style sheet.
pub(super) const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c2733;--dim:#5a6b7b;--line:#d5dde5;--head:#f1f5f9;--page:#fff;--shade:#8a97a5;\
--pass:#1b7a43;--fail:#b3261e;--vacuous:#7a5b00}\
@media (prefers-color-scheme:dark){:root{--ink:#e3e9ef;--dim:#9fb0c0;--line:#3a4754;--head:#202a34;--page:#131a21;\
--shade:#7b8a99}}\
@media print{:root{--ink:#000;--dim:#444;--line:#bbb;--head:#eee;--page:#fff}figure,tr{break-inside:avoid}\
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}\
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:1.5rem auto;padding:0 1rem;color:var(--ink);\
background:var(--page)}h1{font-size:1.5rem;margin-bottom:.3rem}h2{font-size:1.2rem;margin-top:2rem}\
h3{font-size:1rem;margin:1.2rem 0 0}\
.verdict{padding:.7rem 1rem;border-radius:.4rem;color:#fff;font-size:1.05rem}\
.verdict.pass{background:var(--pass)}.verdict.fail{background:var(--fail)}.verdict.vacuous{background:var(--vacuous)}\
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:.5rem;margin:1rem 0}\
dl div{background:var(--head);border-radius:.4rem;padding:.5rem .8rem}dt{color:var(--dim);font-size:.85rem}\
dd{margin:0;font-size:1.15rem;font-variant-numeric:tabular-nums}\
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;margin:.5rem 0 1rem}\
th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-bottom:1px solid var(--line)}\
th{background:var(--head)}td.n{text-align:right;font-variant-numeric:tabular-nums}\
.held{color:var(--pass);font-weight:600}.broken{color:var(--fail);font-weight:600}\
@media (prefers-color-scheme:dark){.held{color:#5cc98a}.broken{color:#ff8a80}}\
@media (max-width:40rem){tr:first-child:has(th){display:none}tr,td{display:block}tr{border-bottom:1px solid var(--line);\
padding:.4rem 0}td{border:0;padding:.1rem .3rem}td.n{text-align:left}td.none{display:none}\
td[data-of]::before{content:attr(data-of) ': ';color:var(--dim)}}\
code{background:var(--head);padding:.1rem .3rem;border-radius:.2rem;overflow-wrap:anywhere}\
p.small{color:var(--dim);font-size:.85rem;overflow-wrap:anywhere}\
figure{margin:.2rem 0;overflow-x:auto}svg{display:block;width:100%;min-width:40rem;height:auto}\
svg text{font:12px system-ui,sans-serif;fill:var(--ink)}text.mid{text-anchor:middle}text.end{text-anchor:end}\
text.unit{fill:var(--dim)}text.inside{fill:#fff}\
.axis{stroke:var(--dim);fill:none}.grid{stroke:var(--line);fill:none}.shade{fill:var(--shade);opacity:.16}\
.cut{fill:#b4540a}.down{fill:#b3261e}.impaired{fill:#6b4fa0}.wrong{fill:#1f6f8b}\
.accepted{fill:#2f8f5b}.alone{fill:#e0a106}.refused{fill:#c2453a}\
.line{fill:none;stroke-width:2}.area{fill:#2f6fb3;opacity:.25}\
.l0{stroke:#2f6fb3}.l1{stroke:#c2453a}.l2{stroke:#2f8f5b}.l3{stroke:#e0a106}.l4{stroke:#8455c9}.l5{stroke:#14919b}\
.l6{stroke:#c64f95}.l7{stroke:#7a7f87}.key.l0{fill:#2f6fb3}.key.l1{fill:#c2453a}.key.l2{fill:#2f8f5b}\
.key.l3{fill:#e0a106}.key.l4{fill:#8455c9}.key.l5{fill:#14919b}.key.l6{fill:#c64f95}.key.l7{fill:#7a7f87}";
