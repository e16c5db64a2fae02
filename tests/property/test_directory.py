"""Any record of a declared shape becomes what `/fhir` would take, or is refused with its field; nothing raises, whatever a file holds."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from adapter import fhir
from adapter.directory import SERVICES, STRUCTURES, DirectorySystems, made, records
from adapter.directory.hours import parsed
from adapter.errors import SettingsError
from adapter.names import Systems
from adapter.network.hours import joined

SYSTEMS = DirectorySystems(Systems())
FIELDS = (
    "source", "structure_id", "id", "nom", "description", "date_maj", "siret", "adresse", "complement_adresse", "code_postal", "code_insee", "commune", "latitude", "longitude",
    "courriel", "telephone", "site_web", "horaires_accueil", "lien_source", "reseaux_porteurs", "accessibilite_lieu", "type", "thematiques", "publics", "publics_precisions", "frais",
    "frais_precisions", "conditions_acces", "zone_eligibilite", "modes_accueil", "modes_mobilisation", "mobilisable_par", "mobilisation_precisions", "lien_mobilisation",
    "contact_nom_prenom", "volume_horaire_hebdomadaire", "nombre_semaines",
)  # fmt: skip
TEXTS = st.text(max_size=30) | st.sampled_from(
    ["59260.0", "Mo-Fr 09:00-12:00", "a,b", "france", "76540", "82454114801871", "https://exemple.fr", "a@b.fr", "2026-03-02", "1e5", "9" * 50, "\ud800", "\x00", "a\x0bb"]
)
CELLS = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | TEXTS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip
FITTING = st.fixed_dictionaries({"source": st.just("dora"), "id": st.from_regex(r"[A-Za-z0-9][A-Za-z0-9-]{0,8}", fullmatch=True), "structure_id": st.just("s"), "nom": st.text("aé -'\n", min_size=1, max_size=9)})
RECORDS = st.builds(lambda cells, fitting: cells | fitting, st.dictionaries(st.sampled_from(FIELDS), CELLS, max_size=12), st.just({}) | FITTING)


@given(st.sampled_from([STRUCTURES, SERVICES]), RECORDS | CELLS)
def test_record_becomes_what_fhir_takes_or_is_refused_with_its_field(kind: str, record: Any) -> None:
    found = made(kind, record, SYSTEMS)
    if found.refused:
        assert any(note.refused for note in found.notes)
    for resource in found.resources:
        assert resource["id"] == found.id
        fhir.parse(fhir.dumps(resource))
        fhir.rows(resource)
    assert all(note.field in (*FIELDS, "") and note.expected for note in found.notes)
    assert made(kind, record, SYSTEMS) == found


@given(st.text(alphabet="MoTuWeThFrSaSuPH09:-,; off24/7", max_size=40) | st.text(max_size=30))
def test_hours_never_raise_and_never_overlap(written: str) -> None:
    found = parsed(written)
    assert found is None or (found and joined(found) == found)


@given(st.binary(max_size=60) | st.text(alphabet='[]{}",:1e-. \nnull', max_size=40).map(str.encode))
def test_file_of_any_bytes_is_read_or_refused(written: bytes) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "records"
        file.write_bytes(written)
        try:
            with records(file) as rows:
                for number, fields, _ in rows:
                    assert number > 0
                    made(SERVICES, fields, SYSTEMS)
        except SettingsError as error:
            assert error.fix
