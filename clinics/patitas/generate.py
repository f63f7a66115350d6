#!/usr/bin/env python3
"""Writes the export of a veterinary clinic that never was, as OkVet gives it, with the defects that such exports have.

    python3 clinics/patitas/generate.py            # the same files again, below clinics/patitas/sources
    python3 clinics/patitas/generate.py 50000 /tmp/x  # a large one elsewhere

What was made wrong is counted in expected.json, by the hand that made it and not by the SQL that mends it.
"""

import csv
import datetime
import json
import pathlib
import random
import sys
from collections import Counter

CLIENTS = int(sys.argv[1]) if len(sys.argv) > 1 else 160
OUT = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else pathlib.Path(__file__).parent / "sources")
dice = random.Random(7)
made = Counter()

GIVEN = "Ana Luis María Carlos Paula Andrés Lucía Diego Sofía Jorge Valentina Camilo Laura Felipe Natalia Mateo Daniela Óscar Elena Iván".split()
SURNAMES = "Ríos Marín Gómez Peña Vargas Ruiz Cárdenas Ospina Mejía Duarte Salazar Zapata Correa Lozano Nieto Acosta Bernal Quintero".split()
PETS = "Luna Max Nala Toby Simón Kira Rocky Mia Coco Bruno Lola Thor Canela Zeus Pelusa Lucas Manchas Tita".split()
BREEDS = {
    "Canino": ["Criollo", "Labrador", "Golden", "Poodle", "French Poodle", "Pinscher", "Pastor Alemán", "SRD", "Beagle"],
    "Felino": ["Común Europeo", "DPC", "Siamés", "Persa", "Criollo", "Angora"],
    "Ave": ["Canario", "Periquito"], "Conejo": ["Enano"], "Hámster": ["Sirio"], "Tortuga": ["Morrocoy"],
}
VACCINES = [("Rabia", "Zoetis"), ("Quíntuple", "MSD"), ("Triple Felina", "Boehringer"), ("Bordetella", "Zoetis"), ("Leucemia Felina", "Virbac")]
VETS = ["1", "1", "1", "2", "2", "3"]


def pick(items):
    return items[dice.randrange(len(items))]


def chance(share):
    return dice.random() < share


def day(first, last):
    return first + datetime.timedelta(days=dice.randrange((last - first).days))


def written(date, what, odd=0.0):
    """A date as most cells have it, or in one of the other spellings."""
    if chance(odd):
        cell = pick([f"{date:%Y-%m-%d}", f"{date.day}/{date.month}/{date.year}", f"{date:%d-%m-%Y}"])
        made[f"{what}.date_format"] += cell != f"{date:%d/%m/%Y}"
        return cell
    return f"{date:%d/%m/%Y}"


def money(pesos):
    return f"$ {pesos:,}".replace(",", ".") + (",00" if pesos % 2 else "")


def phone():
    return f"3{dice.randrange(0, 2)}{dice.randrange(10_000_000, 99_999_999)}"


def spelled(number):
    return pick([number, f"{number[:3]} {number[3:6]} {number[6:]}", f"+57 {number}", f"{number[:3]}-{number[3:]}"])


def save(name, columns, rows):
    OUT.mkdir(parents=True, exist_ok=True)
    with open(OUT / f"{name}.csv", "w", encoding="utf-8-sig" if name == "clients" else "utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns.split(", "))
        writer.writerows(rows)
    made[f"{name}.records"] = len(rows)


def clients():
    rows, people = [], []
    for number in range(1, CLIENTS + 1):
        given, surname = pick(GIVEN), f"{pick(SURNAMES)} {pick(SURNAMES)}"
        name, mobile = f"{given} {surname}", phone()
        email = f"{given}.{surname.split()[0]}{number}@correo.example.co".lower().translate(str.maketrans("áéíóúñ", "aeioun"))
        cells = [name, "", spelled(mobile), email]
        kind = number % 40
        if chance(0.2):
            cells[3] = ""
        if chance(0.3):
            cells[1] = f"601{dice.randrange(2_000_000, 7_999_999)}"
        if kind == 7:
            cells[0] = name.upper()
        if kind == 11 and number > 40:  # registered again, with the same e-mail
            other = people[number - 35]
            cells = [other["name"].upper(), "", spelled(phone()), other["email"].upper()]
            made["clients.same_email"] += 1
        if kind == 18 and number > 40:  # registered again, with the same mobile
            other = people[number - 31]
            cells = [other["name"], "", spelled(other["mobile"]), ""]
            made["clients.same_phone"] += 1
        if kind == 23:  # nobody can reach them
            cells[1:] = ["", pick(["", "no tiene", "300"]), ""]
            made["clients.no_contact"] += 1
        if kind == 29:  # no e-mail, but a mobile
            cells[3] = pick(["no tiene", "ana.correo.com", "luis@", "x@@y.co"])
            made["clients.email_invalid"] += 1
        if kind == 31:
            cells[0] = " "
            made["clients.no_name"] += 1
        if kind == 2:  # two addresses in one cell
            cells[3] = f"{email}; otro.{email}"
            made["clients.email_says_more"] += 1
        # those who are found again have an e-mail and a mobile
        if (number + 34) % 40 == 11 or (number + 30) % 40 == 18:
            cells[2], cells[3] = mobile, email
        people.append({"id": number, "name": name, "mobile": mobile, "email": email, "kind": kind})
        since = day(datetime.date(2018, 1, 1), datetime.date(2025, 6, 30))
        rows.append([number, *cells, f"Calle {dice.randrange(1, 180)} # {dice.randrange(1, 90)}-{dice.randrange(1, 99)}",
                     pick(["Bogotá", "BOGOTA", "Chía", "Cota"]), pick(["", "", "", "Paga a fin de mes"]),
                     f"{since:%d/%m/%Y} {dice.randrange(8, 18):02}:{dice.randrange(0, 60):02}"])
        if kind == 4:
            rows[-1][-1] = "31/02/2020"
            made["clients.date_unreadable"] += 1
    save("clients", "id, nombre, telefono, celular, email, direccion, ciudad, notas, fecha_registro", rows)
    return people


def pets(people):
    rows, animals = [], []
    for number in range(1, CLIENTS * 16 // 10 + 1):
        species = pick(["Canino"] * 6 + ["Felino"] * 4 + ["Ave", "Conejo", "Hámster", "Tortuga"])
        owner = pick(people)
        born = day(datetime.date(2010, 1, 1), datetime.date(2024, 6, 30))
        cell = written(born, "pets", 0.06 if number % 50 not in (3, 5) else 0)
        if number % 50 == 3:
            cell = pick(["31/02/2019", "2 años"])
            made["pets.date_unreadable"] += 1
        if number % 50 == 5:
            cell = "00/00/0000"
            made["pets.sentinel_date"] += 1
        chip = f"9410000{dice.randrange(10_000_000, 99_999_999)}" if chance(0.3) else ""
        if number % 60 == 9:
            chip = "9.41E+14"
            made["pets.microchip_unreadable"] += 1
        kilograms = dice.randrange(2, 400) / 10
        weight = pick([f"{kilograms:.1f}".replace(".", ","), f"{kilograms} kg", f"{int(kilograms * 1000)} g", ""])
        owner_id = owner["id"]
        if number % 45 == 20:
            owner_id = 900_000 + number
            made["pets.orphan"] += 1
        elif owner["kind"] in (23, 31):
            made["pets.of_client_left_out"] += 1
        shown = {"Canino": pick(["Canino", "Canino", "Perro", "PERRO"]), "Felino": pick(["Felino", "Gato"])}.get(species, species)
        rows.append([number, owner_id, pick([pick(PETS), pick(PETS).upper()]), shown, pick(BREEDS[species]), pick(["M", "H", "Macho", "Hembra", ""]),
                     cell, weight, pick(["negro", "Blanco", "café", "tricolor", ""]), chip, pick(["Sí", "No", "S", "N", ""]),
                     "Sí" if chance(0.08) else pick(["No", ""]), pick(["", "", "Alérgico a la penicilina"])])
        if number % 80 == 34:  # a word that says neither
            rows[-1][5], rows[-1][10] = "quizá", "talvez"
            made["pets.sex_unreadable"] += 1
            made["pets.yes_no_unreadable"] += 1
        gone = owner_id > 900_000 or owner["kind"] in (23, 31)
        animals.append({"id": number, "born": born, "gone": gone, "read": "/02/" not in cell})
    save("pets", "id, id_cliente, nombre, especie, raza, sexo, fecha_nacimiento, peso, color, microchip, esterilizado, fallecido, notas", rows)
    return animals


def of_animal(animals, what, number, share):
    """An animal, or now and then one that the export does not have."""
    animal = pick(animals)
    if number % share == 13:
        made[f"{what}.orphan"] += 1
        return 700_000 + number, datetime.date(2023, 1, 1)
    if animal["gone"]:
        made[f"{what}.of_animal_left_out"] += 1
    return animal["id"], max(day(animal["born"], datetime.date(2025, 6, 30)), animal["born"])


def history(animals):
    rows = []
    kinds = ["Consulta"] * 5 + ["CONSULTA", "Control", "Control", "Cirugía", "CIRUGIA", "Desparasitación", "Hospitalización", "Laboratorio", "Urgencia", "Peluquería"]
    for number in range(1, CLIENTS * 26 // 10 + 1):
        animal, date = of_animal(animals, "records", number, 150)
        vet = pick(VETS)
        if number % 90 == 40:
            vet = "9"
            made["records.vet_unknown"] += 1
        rows.append([number, animal, written(date, "records", 0.012), pick(kinds), pick(["Revisión general", "Vómito desde ayer;\nno come", "Cojea de la pata \"izquierda\"", "Control de peso"]),
                     pick(["Sano", "Gastritis", "Otitis", ""]), pick(["", "Omeprazol 1 mg/kg", "Limpieza, gotas"]), pick(["", "", "Volver en 8 días"]), vet])
    save("records", "id, id_paciente, fecha, tipo, descripcion, diagnostico, tratamiento, notas, id_veterinario", rows)


def vaccines(animals):
    rows = []
    for number in range(1, CLIENTS * 19 // 10 + 1):
        animal, date = of_animal(animals, "vaccines", number, 300)
        name, maker = pick(VACCINES)
        due = written(date + datetime.timedelta(days=365), "vaccines") if chance(0.9) else ""
        if number % 110 == 50:
            due = "00/00/0000"
            made["vaccines.sentinel_date"] += 1
        if number % 110 == 60:
            due = "31/02/2025"
            made["vaccines.due_date_unreadable"] += 1
        rows.append([number, animal, name, written(date, "vaccines"), due, f"L{dice.randrange(1000, 9999)}", maker, pick(VETS)])
    save("vaccines", "id, id_paciente, vacuna, fecha_aplicacion, fecha_proxima, lote, laboratorio, id_veterinario", rows)


def appointments(animals):
    rows = []
    for number in range(1, CLIENTS * 16 // 10 + 1):
        animal, date = of_animal(animals, "appointments", number, 300)
        rows.append([number, animal, written(date, "appointments"), pick([f"{dice.randrange(8, 18):02}:{pick(['00', '30'])}", f"{dice.randrange(1, 6)}:30 p. m."]),
                     pick(["30", "20 min", "1 h", ""]), pick(["Consulta", "Vacuna", "Control", "Baño"]),
                     pick(["Atendida"] * 6 + ["ATENDIDA", "Cancelada", "No asistió", "Confirmada", "Agendada"]), pick(VETS), ""])
    save("appointments", "id, id_paciente, fecha, hora, duracion, motivo, estado, id_veterinario, notas", rows)


def invoices(people):
    rows, by_year = [], Counter()
    reached = [person for person in people if person["kind"] not in (23, 31)]
    for number in range(1, CLIENTS * 14 // 10 + 1):
        owner = pick(reached)["id"]
        date = day(datetime.date(2022, 1, 1), datetime.date(2025, 6, 30))
        subtotal = dice.randrange(20, 900) * 1000
        tax = subtotal * 19 // 100
        if number % 70 == 33:
            owner = 900_000 + number
            made["invoices.orphan"] += 1
        by_year[str(date.year)] += subtotal + tax
        rows.append([number, f"FV-{number:05}", owner, written(date, "invoices", 0.02), written(date + datetime.timedelta(days=30), "invoices"),
                     money(subtotal), money(tax), money(subtotal + tax), pick(["Pagada"] * 5 + ["PAGADA", "Pendiente", "Anulada"]), ""])
        if number % 80 == 50:
            rows[-1][4] = "31/02/2025"
            made["invoices.date_unreadable"] += 1
    save("invoices", "id, numero, id_cliente, fecha, fecha_vencimiento, subtotal, iva, total, estado, notas", rows)
    for year, pesos in sorted(by_year.items()):
        made[f"invoiced.{year}"] = pesos


def products():
    rows = []
    for number in range(1, 61):
        price = dice.randrange(5, 300) * 500
        made["price_list"] += price
        rows.append([number, f"{pick(['Concentrado', 'Antipulgas', 'Collar', 'Shampoo', 'Consulta', 'Desparasitante'])} {number}", f"P{number:04}",
                     pick(["Alimento", "Farmacia", "Accesorios", "Servicios"]), money(price), money(price * 6 // 10), str(dice.randrange(0, 200)), pick(["Sí", "Sí", "No"])])
    save("products", "id, nombre, codigo, categoria, precio, costo, existencias, activo", rows)


def documents(animals):
    rows = []
    for number in range(1, CLIENTS // 4 + 1):
        animal, date = of_animal(animals, "documents", number, 300)
        kind, end = pick([("Foto", "jpg"), ("Radiografía", "png"), ("Laboratorio", "pdf"), ("Consentimiento", "pdf")])
        rows.append([number, animal, f"{kind} {number}", f"adjuntos/{number:05}.{end}", kind, written(date, "documents"), ""])
        if number % 30 == 20:
            rows[-1][5] = "31/02/2025"
            made["documents.date_unreadable"] += 1
    save("documents", "id, id_paciente, nombre, archivo, tipo, fecha, notas", rows)


everyone = clients()
zoo = pets(everyone)
history(zoo)
vaccines(zoo)
appointments(zoo)
invoices(everyone)
products()
documents(zoo)
(OUT / "expected.json").write_text(json.dumps(dict(sorted(made.items())), indent=2, ensure_ascii=False) + "\n")
